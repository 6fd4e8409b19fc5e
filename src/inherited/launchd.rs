//! launchd's sockets (launch_activate_socket(3)), by their names in the
//! property lists in `launchd/`. No other interface returns them, and no
//! maintained crate wraps this one.

use std::ffi::{CStr, c_char, c_int};
use std::io;
use std::os::fd::{FromRawFd as _, OwnedFd};

use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::libc;

/// The keys under `Sockets` in the property lists.
const NAMES: [&CStr; 2] = [c"agent-auth", c"redirect"];

#[expect(unsafe_code, reason = "declares a function of the system's library")]
unsafe extern "C" {
    fn launch_activate_socket(
        name: *const c_char,
        descriptors: *mut *mut c_int,
        count: *mut libc::size_t,
    ) -> c_int;
}

/// The sockets of both names. There are none if launchd did not start this
/// process (`ESRCH`), or if its property list does not have the name
/// (`ENOENT`).
pub(super) fn descriptors() -> io::Result<Vec<OwnedFd>> {
    let mut all = Vec::new();
    for name in NAMES {
        all.extend(named(name)?);
    }
    for descriptor in &all {
        fcntl(descriptor, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC))?;
    }
    Ok(all)
}

#[expect(unsafe_code, reason = "calls a function of the system's library")]
fn named(name: &CStr) -> io::Result<Vec<OwnedFd>> {
    let (mut numbers, mut count) = (std::ptr::null_mut(), 0);
    // SAFETY: the name ends with a NUL, and both out-pointers are valid.
    let status = unsafe { launch_activate_socket(name.as_ptr(), &mut numbers, &mut count) };
    match status {
        0 => {}
        libc::ESRCH | libc::ENOENT => return Ok(Vec::new()),
        error => return Err(io::Error::from_raw_os_error(error)),
    }
    if numbers.is_null() {
        return Ok(Vec::new());
    }
    // SAFETY: on success the pointer is to an array of `count` open descriptors
    // that only this process owns; the caller must free the array.
    Ok(unsafe {
        let descriptors = std::slice::from_raw_parts(numbers, count)
            .iter()
            .map(|number| OwnedFd::from_raw_fd(*number))
            .collect();
        libc::free(numbers.cast());
        descriptors
    })
}

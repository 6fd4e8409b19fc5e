//! Work that must not be cut off once it has begun: what spends a code or a
//! refresh token, and what ends a grant.
//!
//! Each piece runs in a task of its own, which goes on after its caller has
//! disconnected, and which a stop of the daemon waits for.

use std::future::Future;

use tokio::sync::watch;
use tokio::task::JoinHandle;

/// How many of these tasks run.
#[derive(Debug, Default)]
pub(super) struct Tasks {
    running: watch::Sender<usize>,
}

/// Counts one task for as long as it exists, however the task ends.
#[derive(Debug)]
struct Counted(watch::Sender<usize>);

impl Tasks {
    /// Runs `work` in a task that [`Self::settled`] waits for.
    pub(super) fn spawn<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> JoinHandle<T> {
        self.running.send_modify(|count| *count += 1);
        let counted = Counted(self.running.clone());
        tokio::spawn(async move {
            let _counted = counted;
            work.await
        })
    }

    /// Returns when no such task runs.
    pub(super) async fn settled(&self) {
        let mut running = self.running.subscribe();
        // An error would mean that the sender is gone, which `self` holds.
        let _ = running.wait_for(|count| *count == 0).await;
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;

    use super::*;

    #[tokio::test]
    async fn a_stop_waits_for_every_task_also_for_one_that_panics() {
        let tasks = Tasks::default();
        tasks.settled().await;
        let (go, told) = oneshot::channel::<()>();
        let slow = tasks.spawn(async move { told.await.is_ok() });
        let broken = tasks.spawn(async { std::panic::resume_unwind(Box::new(())) });
        assert!(broken.await.is_err());
        assert_eq!(*tasks.running.borrow(), 1);
        go.send(()).unwrap();
        assert!(slow.await.unwrap());
        tasks.settled().await;
    }
}

//! The answer to what a completed login leaves to ask. (Not in the contract.)

use crate::api::validate::{FieldErrors, Fields, boolean};

/// `POST /v2/auth/flows/{auth_id}/follow-up`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FollowUpRequest {
    /// Whether the account of the login is the one to renew.
    pub same_account: bool,
}

impl FollowUpRequest {
    /// Parses the body.
    ///
    /// # Errors
    /// All validation errors.
    pub fn from_json(body: &[u8]) -> Result<Self, FieldErrors> {
        let mut fields = Fields::body(body)?;
        let same_account = fields.required("same_account", boolean);
        fields.finish(|| {
            Some(Self {
                same_account: same_account?,
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_a_boolean() {
        let read = |body: &str| FollowUpRequest::from_json(body.as_bytes());
        assert!(read(r#"{"same_account": true}"#).unwrap().same_account);
        assert!(!read(r#"{"same_account": false}"#).unwrap().same_account);
        for body in [
            "{}",
            r#"{"same_account": null}"#,
            r#"{"same_account": "yes"}"#,
        ] {
            assert!(read(body).is_err(), "{body}");
        }
    }
}

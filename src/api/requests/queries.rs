//! Queries: a provider, or the length of a list.

use crate::api::validate::{FieldErrors, Fields, text, whole_number};

/// The default number of events in a reply.
const DEFAULT_EVENTS: u32 = 50;

/// The largest number of events in a reply.
const MOST_EVENTS: u32 = 200;

/// The query of a call for one provider.
#[derive(Clone, Debug)]
pub struct ProviderQuery {
    /// The provider's identifier.
    pub provider_id: String,
}

impl ProviderQuery {
    /// Parses the query, without its `?`.
    ///
    /// # Errors
    /// All validation errors.
    pub fn from_query(query: &str) -> Result<Self, FieldErrors> {
        let mut fields = Fields::query(query);
        let provider_id = fields.required("provider_id", text);
        fields.finish(|| {
            Some(Self {
                provider_id: provider_id?,
            })
        })
    }
}

/// The query of a call for one provider or for all.
#[derive(Clone, Debug, Default)]
pub struct OptionalProviderQuery {
    /// The provider, if the call is for one.
    pub provider_id: Option<String>,
}

impl OptionalProviderQuery {
    /// Parses the query, without its `?`.
    ///
    /// # Errors
    /// All validation errors.
    pub fn from_query(query: &str) -> Result<Self, FieldErrors> {
        let mut fields = Fields::query(query);
        let provider_id = fields.optional("provider_id", text);
        fields.finish(|| Some(Self { provider_id }))
    }
}

/// `GET /v2/auth/token-events`.
#[derive(Clone, Debug)]
pub struct EventsQuery {
    /// The provider, if the call is for one.
    pub provider_id: Option<String>,
    /// The largest number of events.
    pub limit: u32,
}

impl EventsQuery {
    /// Parses the query, without its `?`.
    ///
    /// # Errors
    /// All validation errors.
    pub fn from_query(query: &str) -> Result<Self, FieldErrors> {
        let mut fields = Fields::query(query);
        let provider_id = fields.optional("provider_id", text);
        let limit = fields.with_default(
            "limit",
            |field| whole_number(field, 1..=MOST_EVENTS),
            DEFAULT_EVENTS,
        );
        fields.finish(|| Some(Self { provider_id, limit }))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_call_for_one_provider_requires_its_identifier() {
        assert_eq!(
            ProviderQuery::from_query("provider_id=a%2Fb")
                .unwrap()
                .provider_id,
            "a/b"
        );
        assert_eq!(
            serde_json::to_value(ProviderQuery::from_query("").unwrap_err()).unwrap(),
            json!({"detail": [{
                "loc": ["query", "provider_id"],
                "msg": "Field required",
                "type": "missing",
                "input": null,
            }]})
        );
    }

    #[test]
    fn the_default_number_of_events_is_fifty() {
        assert_eq!(EventsQuery::from_query("").unwrap().limit, 50);
        assert_eq!(EventsQuery::from_query("limit=200").unwrap().limit, 200);
        for (query, kind) in [
            ("limit=0", "greater_than_equal"),
            ("limit=201", "less_than_equal"),
        ] {
            let faults = EventsQuery::from_query(query).unwrap_err();
            assert_eq!(faults.detail[0].kind, kind);
        }
    }
}

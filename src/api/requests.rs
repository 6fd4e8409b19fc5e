//! The request bodies and queries of the contract, in domain types.
//!
//! Each parser has one line per field, then the rules between fields. Members that
//! are not in the contract are ignored. A provider that a
//! request only names stays a text: an impossible name is an unknown provider,
//! not a malformed request.

mod changes;
mod flows;
mod follow_ups;
pub mod identifiers;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod providers;
mod queries;
mod redirects;
mod tokens;

pub use changes::{ProviderUpdateRequest, TokenUpdateRequest};
pub use flows::{AuthenticateRequest, FinalizeRequest, WaitQuery};
pub use follow_ups::FollowUpRequest;
pub use providers::{McpProviderCreateRequest, ProviderCreateRequest, field_of_rule};
pub use queries::{EventsQuery, OptionalProviderQuery, ProviderQuery};
pub use redirects::{CallbackQuery, SetupQuery};
pub use tokens::{
    CreateConnectionRequest, TokenImportRequest, TokenStatusBatchRequest, UpsertAgentTokenRequest,
};

#[cfg(test)]
mod tests {
    use proptest::collection::{btree_map, vec};
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    const CANARY: &str = "canary";

    /// The errors of all parsers for `body`, as they are sent and logged.
    fn read_as_each_body(body: &[u8]) -> String {
        let said = |reader: fuzzing::Reader| {
            let faults = reader(body).err().unwrap_or_default();
            format!("{faults} {}", serde_json::to_string(&faults).unwrap())
        };
        fuzzing::READERS.map(said).concat()
    }

    fn member_name() -> impl Strategy<Value = String> {
        prop_oneof![
            prop::sample::select(vec![
                "client_secret",
                "Client_Secret",
                "access_token",
                "ACCESS_TOKEN",
                "refresh_token",
                "code",
                "Code",
                "state",
                "code_verifier",
            ]),
            prop::sample::select(vec![
                "provider_id",
                "provider",
                "name",
                "client_id",
                "auth_url",
                "token_url",
                "uses_pkce",
                "provider_type",
                "token_endpoint_auth_method",
                "scopes",
                "authorization_params",
                "allowed_redirect_uris",
                "metadata",
                "token_id",
                "expires_in_seconds",
                "is_default",
                "provider_ids",
                "mcp_server_url",
            ]),
        ]
        .prop_map(str::to_owned)
    }

    fn is_secret(name: &str) -> bool {
        let name = name.to_ascii_lowercase();
        [
            "client_secret",
            "access_token",
            "refresh_token",
            "code",
            "state",
            "code_verifier",
        ]
        .contains(&name.as_str())
    }

    /// JSON with a canary in place of every secret.
    fn planted() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            "[a-z:/.]{0,8}".prop_map(Value::from),
            Just(Value::from("https://example.com/?code=canary")),
            Just(Value::from("grant_type=x&client_secret=canary")),
        ];
        leaf.prop_recursive(4, 32, 6, |inner| {
            let members = btree_map(member_name(), inner.clone(), 0..6)
                .prop_map(|members| {
                    let planted = members.into_iter().map(|(name, value)| {
                        let value = match value {
                            Value::Null | Value::String(_) if is_secret(&name) => CANARY.into(),
                            Value::Array(_) if is_secret(&name) => vec![CANARY].into(),
                            other => other,
                        };
                        (name, value)
                    });
                    planted.collect::<Value>()
                })
                .boxed();
            prop_oneof![
                4 => members.clone(),
                1 => members.prop_map(|members| Value::from(members.to_string())),
                1 => vec(inner, 0..4).prop_map(Value::from),
            ]
        })
    }

    proptest! {
        #[test]
        fn no_body_makes_a_reader_panic(body in vec(any::<u8>(), 0..200)) {
            read_as_each_body(&body);
        }

        #[test]
        fn no_query_makes_a_reader_panic(query in ".{0,100}") {
            let _ = WaitQuery::from_query(&query);
            let _ = EventsQuery::from_query(&query);
            let _ = SetupQuery::from_query(&query);
        }

        #[test]
        fn no_error_shows_a_secret(body in planted()) {
            let said = read_as_each_body(body.to_string().as_bytes());
            prop_assert!(!said.contains(CANARY), "{said}");
        }

        #[test]
        fn no_error_of_a_callback_shows_a_value(
            names in vec(prop::sample::select(vec!["code", "state", "iss", "installation_id"]), 1..6),
        ) {
            let query: String = names.iter().map(|name| format!("{name}=canary&")).collect();
            if let Err(faults) = CallbackQuery::from_query(&query) {
                let said = serde_json::to_string(&faults).unwrap();
                prop_assert!(!said.contains(CANARY), "{said}");
            }
        }
    }
}

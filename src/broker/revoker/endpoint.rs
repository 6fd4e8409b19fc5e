//! Finding the revocation endpoint of a provider that was defined without one.

use std::time::Duration;

use url::Url;

use super::Revoker;
use crate::identity::Owner;
use crate::log_limit::log_limited;
use crate::provider::Provider;
use crate::vault::Change;

/// How long a provider's metadata is looked for. After that, its tokens are taken
/// to be such that cannot be revoked.
const TIMEOUT: Duration = Duration::from_secs(10);

impl Revoker {
    /// Looks for a provider's revocation endpoint in its metadata and stores it;
    /// `None` if it cannot be found.
    pub(super) async fn learn_revocation_endpoint(
        &self,
        owner: Owner,
        provider: &Provider,
    ) -> Option<Url> {
        let looking = self.context.oauth.find_revocation_endpoint(provider);
        let looked = tokio::time::timeout(TIMEOUT, looking).await;
        let found = looked.ok().flatten()?;
        let (id, token_url) = (&provider.provider_id, &provider.endpoints.token);
        let (id, token_url) = (id.clone(), token_url.clone());
        let endpoint = found.clone();
        let remember = move |change: &Change<'_>| {
            let now = change.provider(owner, &id)?;
            // It may have been changed meanwhile, to another server even.
            let is_same = |now: &Provider| now.endpoints.token == token_url;
            if let Some(mut now) = now.filter(is_same) {
                now.endpoints.revocation.get_or_insert(endpoint);
                change.update_provider(owner, &now)?;
            }
            Ok(())
        };
        if let Err(error) = self.context.vault.write_for(owner, remember).await {
            log_limited!(20, warn,
                provider.id = %provider.provider_id, error = %error,
                "where the provider revokes tokens could not be remembered"
            );
        }
        Some(found)
    }
}

//! How many components may be uploaded at once: each is held in memory until it is judged.

use std::sync::{Arc, Mutex, MutexGuard};

use vedette_core::OrgId;

use crate::problem::Problem;

/// Uploads in the whole process: with the largest component, 64 MiB.
const MOST: usize = 2;
/// Seconds after which to try again.
const RETRY_AFTER: u16 = 5;

/// Counts the uploads. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Uploads {
    /// Whose: an organization has one at most, so that it leaves room for others.
    under_way: Arc<Mutex<Vec<OrgId>>>,
}

/// The right to an upload; given back when it is dropped.
pub(crate) struct UploadTicket {
    uploads: Uploads,
    org: OrgId,
}

impl Uploads {
    /// Lets an upload begin.
    ///
    /// # Errors
    /// 429 when the organization has one under way, 503 when others have.
    pub(crate) fn admit(&self, org: OrgId) -> Result<UploadTicket, Problem> {
        let mut under_way = self.under_way();
        if under_way.contains(&org) {
            let detail = "the organization uploads a component already; one at a time";
            return Err(Problem::quota_exceeded(detail, RETRY_AFTER));
        }
        if under_way.len() >= MOST {
            let detail = "too many components are being uploaded; try again in a moment";
            return Err(Problem::unavailable(detail));
        }
        under_way.push(org);
        drop(under_way);
        Ok(UploadTicket {
            uploads: self.clone(),
            org,
        })
    }

    fn under_way(&self) -> MutexGuard<'_, Vec<OrgId>> {
        self.under_way
            .lock()
            .expect("no holder of this lock panics")
    }
}

impl Drop for UploadTicket {
    fn drop(&mut self) {
        self.uploads.under_way().retain(|org| *org != self.org);
    }
}

#[cfg(test)]
mod tests {
    use axum::response::IntoResponse as _;

    use super::*;

    #[test]
    fn one_an_organization_and_two_in_all() {
        let uploads = Uploads::default();
        let [anna, boris, carl] = [(); 3].map(|()| OrgId::generate(&vedette_core::SystemClock));
        let status = |org| {
            uploads
                .admit(org)
                .map_err(|problem| problem.into_response().status())
        };
        let first = status(anna).unwrap();
        assert_eq!(status(anna).err().unwrap(), 429);
        let second = status(boris).unwrap();
        assert_eq!(status(carl).err().unwrap(), 503);
        assert_eq!(status(anna).err().unwrap(), 429);
        drop(first);
        let third = status(carl).unwrap();
        assert_eq!(status(anna).err().unwrap(), 503);
        drop((second, third));
        assert!(uploads.under_way().is_empty());
    }
}

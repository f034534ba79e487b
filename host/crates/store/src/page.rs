//! Pages by key: newest first, each page begins after the last id of the one before.

use uuid::Uuid;

use crate::StoreError;

/// Most rows of a page.
pub const MAX_LIMIT: u32 = 100;

/// The place after which a page begins. Ids sort by time, so that an id is place enough; which
/// rows are seen is decided by the organization, never by the cursor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor(pub(crate) Uuid);

impl Cursor {
    /// Reads a cursor that a page gave.
    ///
    /// # Errors
    /// [`StoreError::InvalidCursor`] for any other text.
    pub fn parse(text: &str) -> Result<Self, StoreError> {
        let invalid = |_| StoreError::InvalidCursor;
        let uuid = Uuid::try_parse(text).map_err(invalid)?;
        if uuid.simple().to_string() == text {
            Ok(Self(uuid))
        } else {
            Err(StoreError::InvalidCursor)
        }
    }
}

impl std::fmt::Display for Cursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.simple().fmt(f)
    }
}

/// Which page is asked for.
#[derive(Debug, Clone, Copy)]
pub struct PageRequest {
    /// Rows, 1 to [`MAX_LIMIT`]; others are taken as the nearest of them.
    pub limit: u32,
    /// `None`: from the newest.
    pub cursor: Option<Cursor>,
}

impl PageRequest {
    /// One more than asked for tells whether there is a next page.
    pub(crate) fn fetch_limit(&self) -> i64 {
        i64::from(self.limit.clamp(1, MAX_LIMIT)) + 1
    }

    /// All ids are below the highest, from which the first page begins.
    pub(crate) fn before(&self) -> Uuid {
        self.cursor.map_or(Uuid::max(), |cursor| cursor.0)
    }

    pub(crate) fn page<T>(&self, mut items: Vec<T>, id: impl Fn(&T) -> Uuid) -> Page<T> {
        let limit = self.limit.clamp(1, MAX_LIMIT) as usize;
        let has_more = items.len() > limit;
        items.truncate(limit);
        let next_cursor = if has_more {
            items.last().map(|item| Cursor(id(item)))
        } else {
            None
        };
        Page { items, next_cursor }
    }
}

/// One page, newest first.
#[derive(Debug, Clone)]
pub struct Page<T> {
    /// The rows.
    pub items: Vec<T>,
    /// Where the next page begins; `None`: this is the last.
    pub next_cursor: Option<Cursor>,
}

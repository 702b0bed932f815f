//! Declares a record: its fields, their stored names and their spellings.

use std::{collections::BTreeMap, fmt};

/// Fields that the record type does not name, kept as they are. `Debug` shows their names only.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Rest(pub BTreeMap<String, String>);

impl fmt::Debug for Rest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// A stored field in a form that the legacy service never writes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fault {
    /// Name of the field.
    pub field: &'static str,
    /// What was expected, e.g. `a whole number`.
    pub expected: &'static str,
}

/// Declares a record struct: `field: Codec => "storedName"` per line.
macro_rules! record {
    (
        $(#[$meta:meta])*
        pub struct $record:ident {
            $( $(#[$field_meta:meta])* $field:ident: $codec:ty => $stored:literal, )*
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq)]
        pub struct $record {
            /// Id of the record: the stored one, or that of its key.
            pub id: String,
            $( $(#[$field_meta])* pub $field: <$codec as $crate::record::field::Codec>::Value, )*
            /// Fields not named above.
            pub rest: $crate::record::Rest,
        }

        impl $record {
            /// Stored names of all fields.
            pub const FIELDS: &'static [&'static str] = &["id", $($stored),*];

            /// Reads the fields of a hash; missing and odd values get what the legacy readers make of
            /// them. `id` is used when the hash has none.
            pub fn from_fields(
                id: &str,
                mut fields: std::collections::HashMap<String, String>,
            ) -> Self {
                let stored = fields.remove("id").filter(|stored| !stored.is_empty());
                Self {
                    id: stored.unwrap_or_else(|| id.to_owned()),
                    $( $field: <$codec as $crate::record::field::Codec>::read(
                        fields.remove($stored).as_deref(),
                    ), )*
                    rest: $crate::record::Rest(fields.into_iter().collect()),
                }
            }

            /// All fields as the legacy service would store them in a new record.
            pub fn to_fields(&self) -> std::collections::BTreeMap<String, String> {
                let mut fields = self.rest.0.clone();
                fields.insert("id".to_owned(), self.id.clone());
                $( if let Some(text) = <$codec as $crate::record::field::Codec>::write(&self.$field) {
                    fields.insert($stored.to_owned(), text);
                } )*
                fields
            }

            /// Stored values that are not in a form the legacy service writes.
            pub fn check(
                fields: &std::collections::HashMap<String, String>,
            ) -> Vec<$crate::record::Fault> {
                let mut faults = Vec::new();
                $( if let Some(text) = fields.get($stored)
                    && !<$codec as $crate::record::field::Codec>::is_regular(text)
                {
                    let expected = <$codec as $crate::record::field::Codec>::EXPECTED;
                    faults.push($crate::record::Fault { field: $stored, expected });
                } )*
                faults
            }

            /// Stored names and texts of the encrypted fields.
            pub fn secrets(&self) -> Vec<(&'static str, &$crate::record::Sealed)> {
                let fields = [
                    $( ($stored, <$codec as $crate::record::field::Codec>::sealed(&self.$field)), )*
                ];
                fields.into_iter().filter_map(|(name, text)| Some((name, text?))).collect()
            }
        }
    };
}
pub(super) use record;

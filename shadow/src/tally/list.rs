//! Maps with structured keys, written as lists of `{…key, …value}`.

use std::collections::BTreeMap;

use serde::{
    Deserialize, Deserializer, Serialize, Serializer, de::DeserializeOwned, ser::SerializeSeq,
};

#[derive(Serialize)]
struct Written<'a, K, V> {
    #[serde(flatten)]
    key: &'a K,
    #[serde(flatten)]
    value: &'a V,
}

#[derive(Deserialize)]
struct Read<K, V> {
    #[serde(flatten)]
    key: K,
    #[serde(flatten)]
    value: V,
}

pub(super) fn serialize<S: Serializer, K: Serialize, V: Serialize>(
    map: &BTreeMap<K, V>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let mut list = serializer.serialize_seq(Some(map.len()))?;
    for (key, value) in map {
        list.serialize_element(&Written { key, value })?;
    }
    list.end()
}

pub(super) fn deserialize<'de, D, K, V>(deserializer: D) -> Result<BTreeMap<K, V>, D::Error>
where
    D: Deserializer<'de>,
    K: DeserializeOwned + Ord,
    V: DeserializeOwned,
{
    // By way of a value: a flattened part cannot read numbers of arbitrary precision directly.
    let list = Vec::<serde_json::Value>::deserialize(deserializer)?;
    let read = |entry| serde_json::from_value::<Read<K, V>>(entry);
    let pairs = list.into_iter().map(read).collect::<Result<Vec<_>, _>>();
    let pairs = pairs.map_err(serde::de::Error::custom)?;
    Ok(pairs.into_iter().map(|entry| (entry.key, entry.value)).collect())
}

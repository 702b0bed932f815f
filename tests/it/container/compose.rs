//! docker-compose.yml.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::{checkout, is_pinned, settings, text_of};

/// Variables of Node and its service that `crs` does not read.
const OF_NODE: [&str; 1] = ["NODE_OPTIONS"];
/// Variables of the file itself.
const OF_THE_FILE: [&str; 6] = [
    "LEGACY_DIR",
    "LEGACY_IMAGE",
    "LEGACY_NETWORK",
    "LEGACY_REDIS_HOST",
    "LEGACY_REDIS_PORT",
    "BIND_HOST",
];

/// The file with its merges done.
pub fn read() -> Value {
    let mut file: Value = serde_saphyr::from_str(&text_of("docker-compose.yml")).unwrap();
    merge(&mut file);
    file
}

/// Does what `<<` asks for, where the reader has not done it.
fn merge(value: &mut Value) {
    let Value::Object(object) = value else { return };
    object.values_mut().for_each(merge);
    if let Some(Value::Object(base)) = object.remove("<<") {
        for (name, inherited) in base {
            object.entry(name).or_insert(inherited);
        }
    }
}

/// The variables of a service, with `${NAME:-default}` replaced by what `given` says.
pub fn environment(service: &str, given: &BTreeMap<&str, &str>) -> BTreeMap<String, String> {
    let file = read();
    let named = file["services"][service]["environment"].as_object().unwrap().clone();
    named.into_iter().map(|(name, value)| (name, fill(value.as_str().unwrap(), given))).collect()
}

fn fill(text: &str, given: &BTreeMap<&str, &str>) -> String {
    let Some((before, rest)) = text.split_once("${") else { return text.to_owned() };
    let (inside, after) = rest.split_once('}').unwrap();
    let name_end = inside.find(':').unwrap_or(inside.len());
    let (name, operator) = inside.split_at(name_end);
    let value = match (given.get(name).copied().unwrap_or(""), operator.get(..2)) {
        ("", Some(":-")) => &operator[2..],
        ("", Some(":?")) => panic!("{name} must be given"),
        (value, _) => value,
    };
    format!("{before}{value}{}", fill(after, given))
}

fn texts(value: &Value) -> Vec<&str> {
    value.as_array().into_iter().flatten().map(|entry| entry.as_str().unwrap()).collect()
}

fn services(file: &Value) -> &Map<String, Value> {
    file["services"].as_object().unwrap()
}

/// Host part and container part of a service's mounts.
fn mounts(service: &Value) -> Vec<(&str, &str)> {
    texts(&service["volumes"])
        .into_iter()
        .map(|mount| {
            let mount = mount.strip_suffix(":ro").unwrap_or(mount);
            mount.rsplit_once(':').unwrap()
        })
        .collect()
}

#[test]
fn it_is_valid_by_the_schema() {
    let schema = text_of("tests/fixtures/compose/compose-spec.json");
    let schema: Value = serde_json::from_str(&schema).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let errors: Vec<String> =
        validator.iter_errors(&read()).map(|e| format!("{} {e}", e.instance_path())).collect();
    assert_eq!(errors, Vec::<String>::new());
    // The schema is asked in earnest.
    let mut wrong = read();
    wrong["services"]["crs"]["porst"] = Value::Null;
    assert!(!validator.is_valid(&wrong));
}

#[test]
fn every_variable_is_known() {
    let file = read();
    let known = settings();
    for (name, service) in services(&file) {
        let variables = service["environment"].as_object().unwrap();
        for variable in variables.keys() {
            let fine = known.contains(variable.as_str())
                || name == "legacy" && OF_NODE.contains(&variable.as_str());
            assert!(fine, "{name}: {variable}");
            if name != "legacy" {
                assert!(!OF_NODE.contains(&variable.as_str()), "{name}: {variable}");
            }
        }
        for secret in ["ENCRYPTION_KEY", "JWT_SECRET", "REDIS_PASSWORD"] {
            assert!(variables[secret].as_str().unwrap().starts_with("${"), "{secret} is no text");
        }
    }
    let text = text_of("docker-compose.yml");
    let asked: BTreeSet<&str> =
        text.split("${").skip(1).map(|rest| rest.split([':', '}']).next().unwrap()).collect();
    for name in asked {
        assert!(known.contains(name) || OF_THE_FILE.contains(&name), "{name}");
        let explained = text.lines().any(|line| line.starts_with("#   ") && line.contains(name));
        assert!(explained || known.contains(name), "{name} is not explained");
    }
}

#[test]
fn redis_is_nobody_s_here() {
    let file = read();
    let text = text_of("docker-compose.yml");
    for (name, service) in services(&file) {
        assert!(!service["image"].as_str().unwrap().contains("redis"), "{name}");
        for (source, target) in mounts(service) {
            assert!(!source.contains("redis") && target != "/data", "{name}: {source}:{target}");
        }
        assert_eq!(texts(&service["networks"]), ["relay"], "{name}");
    }
    assert_eq!(services(&file).keys().collect::<Vec<_>>(), ["crs", "legacy", "standalone"]);
    assert_eq!(file["volumes"].as_object().unwrap().keys().collect::<Vec<_>>(), ["tap"]);
    assert_eq!(file["networks"]["relay"]["external"], true);
    assert!(text.contains("name: ${LEGACY_NETWORK:-"));
}

#[test]
fn in_front_of_node_and_alone() {
    let file = read();
    let given = BTreeMap::from([("JWT_SECRET", "j"), ("ENCRYPTION_KEY", "e")]);
    let services = services(&file);
    for (name, profile) in [("crs", "sidecar"), ("legacy", "sidecar"), ("standalone", "standalone")]
    {
        assert_eq!(texts(&services[name]["profiles"]), [profile], "{name}");
    }
    let (crs, node) = (environment("crs", &given), environment("legacy", &given));
    assert_eq!(crs["CRS_LEGACY_URL"], format!("http://legacy:{}", node["PORT"]));
    assert_eq!(node["TRUST_PROXY"], "true");
    assert!(services["legacy"].get("ports").is_none(), "clients reach Node through crs alone");
    // Both see the same settings, but for who is in front of whom.
    for (name, value) in &crs {
        if node.contains_key(name) && name != "TRUST_PROXY" {
            assert_eq!(&node[name], value, "{name}");
        }
    }
    assert_eq!(crs["CRS_TAP_SOCKET"], node["CRS_TAP_SOCKET"]);
    let (shared, _) = crs["CRS_TAP_SOCKET"].rsplit_once('/').unwrap();
    let tap = node["NODE_OPTIONS"].strip_prefix("--require ").unwrap();
    for name in ["crs", "legacy"] {
        assert!(mounts(&services[name]).contains(&("tap", shared)), "{name}");
    }
    let (file_of_tap, _) =
        *mounts(&services["legacy"]).iter().find(|(_, target)| *target == tap).unwrap();
    assert!(checkout(file_of_tap).is_file(), "{file_of_tap}");
    let alone = environment("standalone", &given);
    assert!(!alone.contains_key("CRS_LEGACY_URL") && !alone.contains_key("CRS_TAP_SOCKET"));
    // What the one leaves behind the other finds: the journal, the override, the captures.
    let own = |name: &str| {
        let of = mounts(&services[name]);
        let kept: Vec<String> = of
            .iter()
            .filter(|(_, target)| target.starts_with("/app/"))
            .map(|(source, target)| format!("{source} {target}"))
            .collect();
        kept
    };
    assert_eq!(own("crs"), own("standalone"));
}

#[test]
fn crs_is_confined_and_drains() {
    let file = read();
    for name in ["crs", "standalone"] {
        let service = &file["services"][name];
        let grace = service["stop_grace_period"].as_str().unwrap().strip_suffix('s').unwrap();
        assert!(grace.parse::<u32>().unwrap() > 300, "longer than CRS_DRAIN_TIMEOUT_SECONDS");
        assert_eq!(service["read_only"], true);
        assert_eq!(texts(&service["cap_drop"]), ["ALL"]);
        assert!(service.get("user").is_none(), "the image's own user");
        assert!(service.get("healthcheck").is_none(), "the image's own check");
        let published = texts(&service["ports"]);
        assert_eq!(published.len(), 1);
        assert!(published[0].ends_with(":3000"), "{published:?}");
    }
    assert!(is_pinned(file["services"]["crs"]["image"].as_str().unwrap()));
    let image = file["services"]["legacy"]["image"].as_str().unwrap();
    let image = fill(image, &BTreeMap::new());
    assert!(is_pinned(&image) && image.ends_with(crs::config::LEGACY_VERSION), "{image}");
}

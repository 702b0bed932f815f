//! What a container does, without one: the image's layout, its variables and its user, `crs serve` and the
//! health check's command.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::{PermissionsExt, chown},
    path::{Path, PathBuf},
    process::Stdio,
};

use rustix::process::getuid;
use tokio::process::{Child, Command};

use super::{compose, dockerfile::Dockerfile};
use crate::{
    harness::service::{ENCRYPTION_KEY, free_port, scratch},
    place::{Place, until},
};

/// A folder laid out like the image, and what runs in it.
struct Image {
    root: PathBuf,
    env: BTreeMap<String, String>,
    user: Option<(u32, u32)>,
}

impl Image {
    fn new(env: BTreeMap<String, String>) -> Self {
        let file = Dockerfile::read();
        let root = scratch("image").unwrap();
        fs::set_permissions(&root, fs::Permissions::from_mode(0o755)).unwrap();
        fs::copy(env!("CARGO_BIN_EXE_crs"), root.join("crs")).unwrap();
        // Only root may become somebody else; anybody else is not root already.
        let user = getuid().is_root().then(|| file.user());
        for folder in ["app", "app/data", "app/data/crs", "app/logs", "run"] {
            fs::create_dir_all(root.join(folder)).unwrap();
            if let Some((user, group)) = user.filter(|_| folder != "app") {
                chown(root.join(folder), Some(user), Some(group)).unwrap();
            }
        }
        let mut all = file.env();
        all.extend(env);
        Self { root, env: all, user }
    }

    fn command(&self, words: &[String]) -> Command {
        let binary = self.root.join(&words[0]);
        let mut command = Command::new(binary);
        if let Some((user, group)) = self.user {
            command.uid(user).gid(group);
        }
        command
            .args(&words[1..])
            .current_dir(self.root.join("app"))
            .env_clear()
            .envs(&self.env)
            .stdin(Stdio::null())
            .kill_on_drop(true);
        command
    }

    fn start(&self) -> Child {
        let log = fs::File::create(self.root.join("output.log")).unwrap();
        let words = Dockerfile::read().words("CMD");
        self.command(&words).stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap()
    }

    /// The health check: its exit code and what it says.
    async fn check(&self) -> (i32, String) {
        let words = Dockerfile::read().words("HEALTHCHECK");
        let output = self.command(&words).output().await.unwrap();
        let said = [output.stdout, output.stderr].concat();
        (output.status.code().unwrap(), String::from_utf8_lossy(&said).into_owned())
    }

    fn log(&self) -> String {
        fs::read_to_string(self.root.join("output.log")).unwrap()
    }
}

impl Drop for Image {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.log());
        }
        let _ = fs::remove_dir_all(&self.root);
    }
}

/// Variables of a service of docker-compose.yml, on ports of this machine.
async fn variables(place: &Place, service: &str, legacy: &str) -> BTreeMap<String, String> {
    let redis_port = place.redis_addr().port().to_string();
    let given = BTreeMap::from([
        ("JWT_SECRET", "container-jwt-secret"),
        ("ENCRYPTION_KEY", ENCRYPTION_KEY),
        ("LEGACY_REDIS_HOST", "127.0.0.1"),
        ("LEGACY_REDIS_PORT", &redis_port),
    ]);
    let mut env = compose::environment(service, &given);
    // Where a container has a network and a file system of its own, this has not.
    env.insert("PORT".into(), free_port().await.unwrap().to_string());
    env.insert("CRS_PRICES_DOWNLOAD".into(), "false".into());
    if env.contains_key("CRS_LEGACY_URL") {
        env.insert("CRS_LEGACY_URL".into(), legacy.to_owned());
        env.insert("CRS_TAP_SOCKET".into(), "../run/tap.sock".into());
    }
    env
}

async fn healthy(image: &Image) -> String {
    until("the check to pass", async || image.check().await.0 == 0).await;
    image.check().await.1
}

fn owner_of(path: &Path) -> u32 {
    use std::os::unix::fs::MetadataExt;
    fs::metadata(path).unwrap().uid()
}

#[tokio::test]
async fn alone() {
    let place = Place::usual().await;
    let image = Image::new(variables(&place, "standalone", "").await);
    let (code, said) = image.check().await;
    assert_eq!(code, 1, "nobody is there yet: {said}");
    let mut crs = image.start();
    let said = healthy(&image).await;
    assert!(said.starts_with("healthy, phase standalone, http://127.0.0.1:"), "{said}");
    let logs = image.root.join("app/logs");
    assert!(logs.read_dir().unwrap().count() > 0, "logs are written");
    let user = image.user.map_or(getuid().as_raw(), |(user, _)| user);
    assert_eq!(owner_of(&image.root.join("app/data/crs/journal")), user);
    crs.kill().await.unwrap();
    assert_eq!(image.check().await.0, 1);
}

#[tokio::test]
async fn in_front_of_node_that_is_down() {
    let place = Place::usual().await;
    let legacy = format!("http://127.0.0.1:{}", free_port().await.unwrap());
    let image = Image::new(variables(&place, "crs", &legacy).await);
    let _crs = image.start();
    // The container is not to be restarted for Node's sake.
    let said = healthy(&image).await;
    assert!(said.starts_with("unhealthy, phase observe, "), "{said}");
    until("the tap's socket", async || image.root.join("run/tap.sock").exists()).await;
}

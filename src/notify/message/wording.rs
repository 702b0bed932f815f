//! How the types of notices look on the platforms: one row per type.

/// One type of notice.
pub(super) struct Look {
    kind: &'static str,
    /// Headline.
    pub title: &'static str,
    /// Colour of a card (Feishu).
    pub card: &'static str,
    /// Icon (Slack).
    pub emoji: &'static str,
    /// Colour of the edge (Discord).
    pub edge: u32,
    /// How urgent (Bark).
    pub level: &'static str,
    /// Sound (Bark).
    pub sound: &'static str,
}

const LOOKS: [Look; 6] = [
    Look {
        kind: "accountAnomaly",
        title: "⚠️ 账号异常通知",
        card: "orange",
        emoji: ":warning:",
        edge: 0xff_98_00,
        level: "timeSensitive",
        sound: "alarm",
    },
    Look {
        kind: "quotaWarning",
        title: "📊 配额警告",
        card: "yellow",
        emoji: ":chart_with_downwards_trend:",
        edge: 0xff_eb_3b,
        level: "active",
        sound: "bell",
    },
    Look {
        kind: "systemError",
        title: "❌ 系统错误",
        card: "red",
        emoji: ":x:",
        edge: 0xf4_43_36,
        level: "critical",
        sound: "alert",
    },
    Look {
        kind: "securityAlert",
        title: "🔒 安全警报",
        card: "red",
        emoji: ":lock:",
        edge: 0xf4_43_36,
        level: "critical",
        sound: "alarm",
    },
    Look {
        kind: "rateLimitRecovery",
        title: "🎉 限流恢复通知",
        card: "green",
        emoji: ":tada:",
        edge: 0x4c_af_50,
        level: "active",
        sound: "success",
    },
    Look {
        kind: "test",
        title: "🧪 测试通知",
        card: "blue",
        emoji: ":test_tube:",
        edge: 0x21_96_f3,
        level: "passive",
        sound: "default",
    },
];

/// Every other type.
const OTHER: Look = Look {
    kind: "",
    title: "📢 系统通知",
    card: "blue",
    emoji: ":bell:",
    edge: 0x9e_9e_9e,
    level: "active",
    sound: "default",
};

/// The look of a type.
pub(super) fn look(kind: &str) -> &'static Look {
    LOOKS.iter().find(|look| look.kind == kind).unwrap_or(&OTHER)
}

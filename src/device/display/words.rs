//! What the display says, in the languages it speaks.
//!
//! Owns: every word shown. Does not own: where and how large. Invariant: each phrase exists in each language (the
//! arrays' length is the number of languages), and says what to do rather than what the machine thinks.

use ostiary_domain::screen::AlarmKind;
use ostiary_domain::{Guidance, PunchKind, VisitorReason};

/// A language of the display.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Language {
    /// English.
    #[default]
    English,
    /// German.
    German,
    /// French.
    French,
    /// Spanish.
    Spanish,
    /// Arabic, from the right.
    Arabic,
    /// Chinese, in simplified characters.
    Chinese,
}

impl Language {
    /// Every language, in the order of the phrases.
    pub const ALL: [Self; 6] =
        [Self::English, Self::German, Self::French, Self::Spanish, Self::Arabic, Self::Chinese];

    /// The language of an ISO 639-1 code, with or without a region: `de`, `de-CH`, `de_CH.UTF-8`.
    #[must_use]
    pub fn from_code(code: &str) -> Option<Self> {
        let head = code.split(['-', '_', '.']).next().unwrap_or("");
        Self::ALL.into_iter().find(|language| language.code().eq_ignore_ascii_case(head))
    }

    /// Its ISO 639-1 code.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::German => "de",
            Self::French => "fr",
            Self::Spanish => "es",
            Self::Arabic => "ar",
            Self::Chinese => "zh",
        }
    }

    /// Whether it runs from the right: what stands before a text then stands on its right.
    pub(super) const fn is_from_the_right(self) -> bool {
        matches!(self, Self::Arabic)
    }

    pub(super) const fn say(self, phrase: Phrase) -> &'static str {
        phrase[self as usize]
    }

    /// What to do in front of the camera.
    pub(super) const fn guidance(self, guidance: Guidance) -> &'static str {
        self.say(match guidance {
            Guidance::LookHere => {
                ["Look here", "Bitte hersehen", "Regardez ici", "Mire aquí", "انظر هنا", "请看这里"]
            }
            Guidance::Closer => {
                ["Come closer", "Näher kommen", "Approchez-vous", "Acérquese", "اقترب", "请靠近"]
            }
            Guidance::Centre => [
                "Move to the middle",
                "In die Mitte gehen",
                "Placez-vous au centre",
                "Vaya al centro",
                "قف في الوسط",
                "请站到中间",
            ],
            Guidance::FaceCamera => [
                "Face the camera",
                "Gesicht zur Kamera",
                "Face à la caméra",
                "De frente a la cámara",
                "واجه الكاميرا",
                "请正对镜头",
            ],
            Guidance::HoldStill => {
                ["Hold still", "Kurz stillhalten", "Ne bougez plus", "No se mueva", "لا تتحرك", "请勿移动"]
            }
            Guidance::MoreLight => {
                ["Too dark here", "Zu dunkel", "Trop sombre", "Falta luz", "الإضاءة ضعيفة", "光线太暗"]
            }
            Guidance::LessLight => {
                ["Too bright here", "Zu hell", "Trop de lumière", "Demasiada luz", "الإضاءة قوية", "光线太强"]
            }
            Guidance::Uncover => [
                "Uncover your face",
                "Gesicht frei machen",
                "Découvrez le visage",
                "Descubra la cara",
                "اكشف وجهك",
                "请露出面部",
            ],
            Guidance::OneAtATime => {
                ["One at a time", "Bitte einzeln", "Un par un", "De uno en uno", "شخص واحد فقط", "请逐一通过"]
            }
        })
    }

    /// Headline and advice of a refusal.
    pub(super) const fn refusal(self, reason: VisitorReason) -> (&'static str, &'static str) {
        let (headline, advice): (Phrase, Phrase) = match reason {
            VisitorReason::NotRecognised => (
                [
                    "Not recognised",
                    "Nicht erkannt",
                    "Non reconnu",
                    "No reconocido",
                    "لم يتم التعرف",
                    "未识别",
                ],
                [
                    "Look again or ring the bell",
                    "Noch einmal hersehen oder klingeln",
                    "Réessayez ou sonnez",
                    "Mire otra vez o llame al timbre",
                    "انظر ثانية أو دق الجرس",
                    "请再看一次或按门铃",
                ],
            ),
            VisitorReason::NotAllowed => (
                [
                    "No access now",
                    "Jetzt kein Zutritt",
                    "Pas d’accès",
                    "Sin acceso ahora",
                    "الدخول غير متاح",
                    "现在不可进入",
                ],
                [
                    "Please ask at reception",
                    "Bitte am Empfang fragen",
                    "Adressez-vous à l’accueil",
                    "Pregunte en recepción",
                    "راجع الاستقبال",
                    "请询问前台",
                ],
            ),
            VisitorReason::Wait => (
                ["Please wait", "Bitte warten", "Patientez", "Espere", "يرجى الانتظار", "请稍候"],
                [
                    "Too many attempts",
                    "Zu viele Versuche",
                    "Trop de tentatives",
                    "Demasiados intentos",
                    "محاولات كثيرة",
                    "尝试次数过多",
                ],
            ),
            VisitorReason::SecondPerson => (
                [
                    "Second person",
                    "Zweite Person",
                    "Deuxième personne",
                    "Segunda persona",
                    "شخص ثان",
                    "第二人",
                ],
                [
                    "Another person must look too",
                    "Noch jemand muss hersehen",
                    "Une autre personne doit regarder",
                    "Otra persona debe mirar también",
                    "يجب أن ينظر شخص آخر",
                    "还需另一人识别",
                ],
            ),
            VisitorReason::Pin => (
                ["Enter PIN", "PIN eingeben", "Code PIN", "Introduzca el PIN", "أدخل الرمز", "请输入密码"],
                [
                    "Then the door opens",
                    "Dann öffnet die Tür",
                    "Ensuite la porte s’ouvre",
                    "Después se abre la puerta",
                    "ثم يفتح الباب",
                    "然后门会打开",
                ],
            ),
            VisitorReason::Closed => (
                ["Closed", "Geschlossen", "Fermé", "Cerrado", "مغلق", "已关闭"],
                [
                    "Nobody may enter now",
                    "Jetzt kein Zutritt für niemanden",
                    "Entrée interdite à tous",
                    "Nadie puede entrar ahora",
                    "الدخول ممنوع للجميع",
                    "现在禁止进入",
                ],
            ),
        };
        (self.say(headline), self.say(advice))
    }

    /// Headline and advice of an alarm.
    pub(super) const fn alarm(self, kind: AlarmKind) -> (&'static str, &'static str) {
        let (headline, advice): (Phrase, Phrase) = match kind {
            AlarmKind::Forced => (
                [
                    "Door forced",
                    "Tür aufgebrochen",
                    "Porte forcée",
                    "Puerta forzada",
                    "فتح الباب عنوة",
                    "门被强行打开",
                ],
                [
                    "The alarm was raised",
                    "Alarm ist ausgelöst",
                    "L’alarme est donnée",
                    "Se ha dado la alarma",
                    "تم إطلاق الإنذار",
                    "已发出警报",
                ],
            ),
            AlarmKind::Held => (
                [
                    "Close the door",
                    "Tür schließen",
                    "Fermez la porte",
                    "Cierre la puerta",
                    "أغلق الباب",
                    "请关门",
                ],
                [
                    "It is open too long",
                    "Sie ist zu lange offen",
                    "Ouverte trop longtemps",
                    "Abierta demasiado tiempo",
                    "مفتوح منذ مدة طويلة",
                    "开门时间过长",
                ],
            ),
            AlarmKind::Tamper => (
                [
                    "Device opened",
                    "Gerät geöffnet",
                    "Appareil ouvert",
                    "Equipo abierto",
                    "فتح الجهاز",
                    "设备被打开",
                ],
                [
                    "The alarm was raised",
                    "Alarm ist ausgelöst",
                    "L’alarme est donnée",
                    "Se ha dado la alarma",
                    "تم إطلاق الإنذار",
                    "已发出警报",
                ],
            ),
            AlarmKind::Fire => (
                ["Fire alarm", "Feueralarm", "Alerte incendie", "Alarma de incendio", "إنذار حريق", "火警"],
                [
                    "Leave now. The door is open.",
                    "Gebäude verlassen. Tür ist offen.",
                    "Sortez. La porte est ouverte.",
                    "Salga. La puerta está abierta.",
                    "غادر الآن. الباب مفتوح.",
                    "请立即离开。门已打开。",
                ],
            ),
        };
        (self.say(headline), self.say(advice))
    }

    /// Day of the week, 0 = Monday, as the date line begins.
    pub(super) const fn weekday(self, day: usize) -> &'static str {
        let names = match self {
            Self::English => ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"],
            Self::German => ["Montag", "Dienstag", "Mittwoch", "Donnerstag", "Freitag", "Samstag", "Sonntag"],
            Self::French => ["Lundi", "Mardi", "Mercredi", "Jeudi", "Vendredi", "Samedi", "Dimanche"],
            Self::Arabic => ["الاثنين", "الثلاثاء", "الأربعاء", "الخميس", "الجمعة", "السبت", "الأحد"],
            Self::Chinese => ["星期一", "星期二", "星期三", "星期四", "星期五", "星期六", "星期日"],
            Self::Spanish => ["Lunes", "Martes", "Miércoles", "Jueves", "Viernes", "Sábado", "Domingo"],
        };
        names[if day < 7 { day } else { 0 }]
    }

    /// Month, 0 = January, as it stands in a date.
    pub(super) const fn month(self, month: usize) -> &'static str {
        let names = match self {
            Self::English => [
                "January",
                "February",
                "March",
                "April",
                "May",
                "June",
                "July",
                "August",
                "September",
                "October",
                "November",
                "December",
            ],
            Self::German => [
                "Januar",
                "Februar",
                "März",
                "April",
                "Mai",
                "Juni",
                "Juli",
                "August",
                "September",
                "Oktober",
                "November",
                "Dezember",
            ],
            Self::French => [
                "janvier",
                "février",
                "mars",
                "avril",
                "mai",
                "juin",
                "juillet",
                "août",
                "septembre",
                "octobre",
                "novembre",
                "décembre",
            ],
            Self::Arabic => [
                "يناير",
                "فبراير",
                "مارس",
                "أبريل",
                "مايو",
                "يونيو",
                "يوليو",
                "أغسطس",
                "سبتمبر",
                "أكتوبر",
                "نوفمبر",
                "ديسمبر",
            ],
            Self::Chinese => {
                ["1月", "2月", "3月", "4月", "5月", "6月", "7月", "8月", "9月", "10月", "11月", "12月"]
            }
            Self::Spanish => [
                "enero",
                "febrero",
                "marzo",
                "abril",
                "mayo",
                "junio",
                "julio",
                "agosto",
                "septiembre",
                "octubre",
                "noviembre",
                "diciembre",
            ],
        };
        names[if month < 12 { month } else { 0 }]
    }
}

/// The same words in every language, in the order of [`Language::ALL`].
pub(super) type Phrase = [&'static str; Language::ALL.len()];

pub(super) const WELCOME: Phrase = ["Welcome", "Willkommen", "Bienvenue", "Adelante", "أهلا بك", "欢迎"];
pub(super) const INVITE: Phrase = [
    "Look here to enter",
    "Zum Eintreten hersehen",
    "Regardez ici pour entrer",
    "Mire aquí para entrar",
    "انظر هنا للدخول",
    "看这里进入",
];
pub(super) const OFFLINE: Phrase = ["offline", "offline", "hors ligne", "sin red", "غير متصل", "离线"];
pub(super) const ENROLLED: Phrase = ["All done", "Fertig", "Terminé", "Listo", "تم", "完成"];
pub(super) const OUT_OF_ORDER: Phrase =
    ["Out of order", "Außer Betrieb", "Hors service", "Fuera de servicio", "خارج الخدمة", "暂停使用"];
pub(super) const STAYS_LOCKED: Phrase = [
    "The door stays locked",
    "Die Tür bleibt zu",
    "La porte reste fermée",
    "La puerta sigue cerrada",
    "يبقى الباب مغلقا",
    "门保持锁定",
];

/// Below the code with which the first key is made.
pub(super) const SETUP_CODE: Phrase = [
    "Setup code",
    "Einrichtungscode",
    "Code d’installation",
    "Código de instalación",
    "رمز الإعداد",
    "设置码",
];
pub(super) const ENTER_ID: Phrase =
    ["Enter number", "Nummer eingeben", "Votre numéro", "Su número", "أدخل الرقم", "请输入编号"];

pub(super) const TAKEN_ALREADY: Phrase =
    ["Already recorded", "Schon erfasst", "Déjà enregistré", "Ya registrado", "مسجل مسبقا", "已记录"];

/// What a punch is called.
pub(super) const fn punch(kind: PunchKind) -> Phrase {
    match kind {
        PunchKind::CheckIn => ["Check in", "Kommen", "Arrivée", "Entrada", "حضور", "上班"],
        PunchKind::CheckOut => ["Check out", "Gehen", "Départ", "Salida", "انصراف", "下班"],
        PunchKind::BreakOut => ["Break", "Pause", "Pause", "Pausa", "استراحة", "休息"],
        PunchKind::BreakIn => ["Back", "Zurück", "Reprise", "Regreso", "عودة", "返回"],
        PunchKind::OvertimeIn => {
            ["Overtime in", "Mehrarbeit ein", "Heures sup. début", "Extra entrada", "بدء الإضافي", "加班开始"]
        }
        PunchKind::OvertimeOut => {
            ["Overtime out", "Mehrarbeit aus", "Heures sup. fin", "Extra salida", "نهاية الإضافي", "加班结束"]
        }
    }
}

/// What was typed, a dot a digit, and the seconds left.
pub(super) fn typed(entered: u8, left_s: u8) -> heapless::String<80> {
    let mut line = heapless::String::new();
    for _ in 0..entered.min(16) {
        // Infallible, as below: sixteen dots and a number of three digits fit.
        let _ = line.push('•');
    }
    let gap = if entered > 0 { "  " } else { "" };
    let _ = core::fmt::Write::write_fmt(&mut line, format_args!("{gap}{left_s} s"));
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn languages_are_found_by_their_codes() {
        assert_eq!(Language::from_code("de_CH.UTF-8"), Some(Language::German));
        assert_eq!(Language::from_code("EN-gb"), Some(Language::English));
        assert_eq!(Language::from_code("tlh"), None);
        assert_eq!(Language::from_code(""), None);
    }

    #[test]
    fn weekdays_and_months_stay_inside_their_tables() {
        assert_eq!(Language::French.weekday(6), "Dimanche");
        assert_eq!(Language::Spanish.month(11), "diciembre");
        assert_eq!(Language::German.month(99), "Januar");
    }
}

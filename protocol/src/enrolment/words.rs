//! The words of invite codes and of what two people compare aloud: 1,024 of them, ten bits each.
//!
//! The first four letters tell any two apart, so that a word cut short or misheard at its end still means one
//! word only, and no two are one typing mistake apart.

/// The words, in alphabetical order. A word's place is what a code encodes: the list is frozen.
pub(crate) const WORDS: [&str; 1024] = [
    "abacus", "abbey", "acorn", "acre", "actor", "adobe", "adopt", "aerial", "agent", "agile", "agree",
    "airport", "alarm", "album", "alder", "alert", "algebra", "almond", "alone", "alpine", "amber", "amuse",
    "anchor", "ancient", "animal", "ankle", "annual", "answer", "anthem", "antique", "antler", "anvil",
    "apart", "apple", "apricot", "apron", "aquatic", "arcade", "archer", "arena", "argue", "armour", "arrow",
    "artist", "aspen", "asphalt", "athlete", "atlas", "attic", "auburn", "august", "aurora", "author",
    "autumn", "avenue", "avocado", "awake", "award", "awning", "axle", "azure", "baby", "bacon", "badger",
    "bagel", "baker", "balance", "balloon", "bamboo", "banana", "banner", "barge", "barley", "basket",
    "battery", "bean", "beaver", "bedroom", "beehive", "beetle", "bench", "bicycle", "birch", "birthday",
    "biscuit", "bison", "blade", "blanket", "blend", "blink", "blossom", "blouse", "bobbin", "boiler",
    "bonfire", "bonnet", "book", "borrow", "bottle", "boulder", "bracket", "bramble", "branch", "breeze",
    "brick", "bridge", "bright", "bronze", "brother", "brush", "bubble", "bucket", "buffalo", "bugle",
    "build", "bulb", "bundle", "button", "buzzard", "cabbage", "cabin", "cactus", "calendar", "camel",
    "canal", "candle", "canoe", "caravan", "carbon", "cargo", "carpet", "cartoon", "cashew", "castle",
    "cement", "central", "ceramic", "chair", "chalk", "change", "chapter", "charm", "cheese", "cherry",
    "chess", "chicken", "chimney", "chisel", "choice", "chorus", "chutney", "cider", "cinema", "cinnamon",
    "circle", "citizen", "citrus", "civil", "classic", "clay", "clean", "cliff", "clock", "cloud", "clover",
    "cluster", "coach", "coast", "cobalt", "cobweb", "cocoa", "coffee", "coin", "collar", "comet", "compass",
    "concert", "conker", "copper", "corner", "cosmos", "costume", "cotton", "country", "cousin", "cowboy",
    "coyote", "cradle", "crane", "crater", "crayon", "cream", "cricket", "crisp", "crocus", "crown", "crumb",
    "crystal", "cube", "cuckoo", "cucumber", "culture", "cupboard", "curious", "curtain", "cushion",
    "custom", "cycle", "daffodil", "daisy", "damson", "dance", "daring", "daylight", "decade", "december",
    "delight", "denim", "derby", "diagram", "dial", "diamond", "diary", "digital", "dinner", "diploma",
    "discover", "distant", "dolphin", "domain", "donkey", "doorway", "double", "downhill", "dozen", "dragon",
    "drama", "draw", "dress", "drift", "drive", "drizzle", "drum", "dugout", "durable", "dusk", "duty",
    "dynamic", "eagle", "earring", "earth", "easel", "east", "echo", "eclipse", "economy", "editor",
    "educate", "elastic", "elbow", "electric", "elegant", "element", "elephant", "eleven", "emblem",
    "emerald", "employ", "enamel", "engine", "enjoy", "envelope", "equip", "errand", "escape", "evening",
    "evidence", "exit", "explore", "eyebrow", "fabric", "faith", "falcon", "fantasy", "farmer", "fashion",
    "february", "fellow", "fence", "fern", "ferry", "festival", "fibre", "field", "fiesta", "fifteen",
    "figure", "film", "filter", "final", "finch", "firefly", "fish", "five", "flag", "flame", "flannel",
    "flavour", "fleet", "flint", "flute", "foam", "focus", "football", "forest", "forty", "forward",
    "fossil", "foxglove", "fragment", "freckle", "frequent", "fresh", "fringe", "frog", "frost", "fruit",
    "fudge", "fuel", "furnace", "gadget", "galaxy", "gallery", "game", "garage", "garden", "garlic",
    "garnet", "gazelle", "gentle", "geology", "geranium", "giant", "ginger", "giraffe", "glacier", "glad",
    "glance", "glass", "glider", "glimpse", "globe", "glossy", "glow", "goat", "goblet", "gold", "goose",
    "gosling", "grain", "granite", "graph", "gravel", "green", "grid", "grotto", "group", "guide", "guitar",
    "habit", "haddock", "halfway", "halo", "hamlet", "hammer", "hamster", "harbour", "harness", "harvest",
    "hawk", "hazel", "head", "hedge", "helmet", "herald", "herb", "heron", "hickory", "highway", "hike",
    "hinge", "history", "hobby", "hockey", "holiday", "home", "honey", "horizon", "hornet", "hospital",
    "hotel", "house", "hunter", "hurdle", "husky", "hybrid", "iceberg", "icon", "ideal", "igloo", "image",
    "index", "indigo", "inkwell", "insect", "inside", "install", "invent", "invite", "iris", "island",
    "issue", "ivory", "jaguar", "jamboree", "january", "jargon", "jasmine", "javelin", "jersey", "jester",
    "jewel", "jigsaw", "joke", "jolly", "journey", "jovial", "joyful", "jubilee", "juice", "july", "jumble",
    "jump", "junior", "jupiter", "kangaroo", "kayak", "keeper", "kelp", "kennel", "kestrel", "ketchup",
    "kettle", "keyboard", "kidney", "kilogram", "kimono", "kiosk", "kitchen", "kitten", "kiwi", "koala",
    "label", "ladder", "ladle", "lagoon", "lake", "lantern", "laser", "laugh", "laundry", "lava", "lavender",
    "lawn", "layout", "leader", "leaf", "league", "leather", "lecture", "legend", "lemon", "lemur",
    "leopard", "letter", "level", "liberty", "library", "lift", "light", "lilac", "limit", "linen", "lion",
    "liquid", "listen", "lively", "lobster", "lodge", "logic", "loop", "lorry", "lounge", "love", "lucky",
    "luggage", "lullaby", "lunar", "lunch", "luxury", "lyric", "machine", "mackerel", "magenta", "magic",
    "magnet", "magpie", "mainland", "mammal", "mandarin", "mango", "mansion", "manual", "maple", "marble",
    "march", "margin", "marigold", "market", "mascot", "master", "meadow", "mechanic", "melon", "menu",
    "mercury", "mermaid", "message", "meteor", "midday", "milk", "mimic", "mint", "minute", "miracle",
    "mirror", "mission", "mobile", "model", "module", "monday", "moon", "mosaic", "moth", "motor",
    "mountain", "movie", "mulberry", "multiply", "mural", "museum", "mushroom", "music", "mystery", "napkin",
    "native", "nature", "nearby", "nebula", "nectar", "needle", "nephew", "network", "newborn", "nickel",
    "nimble", "nineteen", "ninth", "noble", "noodle", "north", "notebook", "november", "novice", "nozzle",
    "nugget", "nutmeg", "nylon", "oasis", "oatmeal", "ocean", "october", "office", "olive", "omelette",
    "onion", "opal", "open", "opera", "optical", "oracle", "orange", "orbit", "orchard", "order", "organ",
    "origin", "osprey", "ostrich", "otter", "oxygen", "oyster", "pacific", "package", "pagoda", "palace",
    "palm", "panel", "panther", "paper", "paprika", "parade", "parcel", "parent", "park", "parrot",
    "parsnip", "pastel", "patrol", "pavement", "payment", "peach", "peanut", "pebble", "pelican", "pencil",
    "penguin", "pepper", "petal", "pewter", "phantom", "photo", "phrase", "piano", "pickle", "picnic",
    "pigeon", "piglet", "pilgrim", "pillow", "pilot", "pinball", "pioneer", "pipe", "pirate", "pizza",
    "plaid", "plan", "plaster", "plenty", "plus", "poem", "polar", "polka", "pony", "popcorn", "poppy",
    "portrait", "potato", "pottery", "poultry", "powder", "prairie", "pretty", "pudding", "puffin", "pulse",
    "pumpkin", "pupil", "puppet", "purple", "puzzle", "pyramid", "quail", "quarter", "queen", "quest",
    "quilt", "quince", "quiz", "rabbit", "radar", "radish", "raft", "railway", "rainbow", "raisin", "rally",
    "rapid", "raven", "ravine", "razor", "recipe", "reef", "reflect", "refresh", "reindeer", "remedy",
    "reunion", "rhino", "ribbon", "riddle", "ripple", "river", "robin", "robot", "rocket", "rodeo",
    "rooster", "rope", "rosemary", "rotate", "round", "royal", "rubber", "rudder", "rugby", "ruler",
    "runner", "runway", "rustic", "saddle", "safari", "saga", "salad", "salmon", "salt", "salute", "sample",
    "sand", "sardine", "satchel", "satin", "saturn", "saucer", "sausage", "scarf", "school", "science",
    "scissors", "scooter", "score", "scout", "screen", "scroll", "seafood", "seal", "season", "second",
    "seesaw", "seven", "shed", "shelter", "shield", "shine", "ship", "shovel", "shrub", "shuttle", "sierra",
    "signal", "silver", "siren", "sister", "sixteen", "sketch", "skill", "skyline", "slate", "sleeve",
    "slice", "slipper", "slogan", "slope", "smile", "smoke", "smooth", "snack", "snail", "snake", "sneeze",
    "snow", "snug", "soap", "soccer", "sofa", "soil", "solo", "sonata", "song", "soprano", "sorbet",
    "spanner", "sparrow", "speak", "sphere", "spider", "spin", "spiral", "splash", "sponge", "spoon", "spot",
    "spread", "spring", "spruce", "square", "squid", "stadium", "staff", "stallion", "stamp", "star",
    "station", "steady", "stem", "stereo", "stick", "stone", "straw", "stream", "student", "sturdy",
    "suburb", "subway", "sugar", "summer", "sunset", "superb", "sushi", "swan", "sweater", "swift", "swim",
    "swing", "switch", "syrup", "tablet", "tackle", "tactic", "tadpole", "tailor", "talent", "tall",
    "tandem", "tapestry", "target", "tavern", "taxi", "teacher", "teapot", "teaspoon", "teeth", "telegram",
    "temple", "tennis", "tent", "terrace", "textile", "thank", "theatre", "theme", "thimble", "third",
    "thorn", "three", "thrive", "thumb", "thunder", "ticket", "tiger", "tinsel", "tiny", "title", "today",
    "together", "token", "tomato", "tomorrow", "tongue", "topaz", "topic", "torch", "tornado", "tortoise",
    "toucan", "tourist", "tower", "town", "tractor", "traffic", "trapeze", "treasure", "trend", "triangle",
    "tribute", "trim", "triple", "trolley", "trombone", "trophy", "trout", "truffle", "trumpet", "trunk",
    "tuesday", "tugboat", "tulip", "tundra", "tunnel", "turbine", "turkey", "turnip", "turtle", "tutor",
    "tuxedo", "tweed", "twelve", "twenty", "twice", "twilight", "twin", "twist", "umbrella", "uncle",
    "unicorn", "uniform", "universe", "unlock", "update", "uphill", "uplift", "upright", "urban", "usher",
    "vacuum", "valley", "valve", "vanilla", "vapour", "varnish", "vault", "vehicle", "velvet", "venture",
    "verse", "vertical", "vessel", "veteran", "viaduct", "vibrant", "victory", "video", "view", "vigour",
    "villa", "vinegar", "vintage", "vinyl", "violet", "vision", "vivid", "vocal", "voice", "volcano",
    "volume", "vortex", "vote", "voucher", "voyage", "waffle", "wagon", "wallet", "walnut", "walrus",
    "wardrobe", "warm", "wash", "water", "wavy", "wedding", "weekend", "west", "wetland", "wheat", "whistle",
    "wicker", "widget", "wigwam", "window", "winter", "wisdom", "wise", "wizard", "wobble", "wolf", "wombat",
    "wonder", "wooden", "wool", "wren", "wrist", "yarn", "year", "yoga", "youth", "zebra", "zenith", "zero",
    "zigzag", "zinc", "zipper", "zodiac", "zone",
];

/// The word at `index`, of which the low ten bits count.
pub(crate) fn word(index: u16) -> &'static str {
    WORDS[usize::from(index) % WORDS.len()]
}

/// The place of `word` in the list; it is in lower case already.
pub(crate) fn index_of(word: &str) -> Option<u16> {
    WORDS.binary_search(&word).ok().and_then(|index| u16::try_from(index).ok())
}

/// The word that takes the fewest changes of one letter to make `word` of it; of several, the first.
///
/// It is for a remedy that a person reads ("did you mean harbour?"), never for a guess on their behalf.
pub(crate) fn nearest(word: &str) -> &'static str {
    let typed: Vec<char> = word.chars().take(LONGEST_TYPED).collect();
    WORDS.iter().copied().min_by_key(|word| distance(word, &typed)).unwrap_or(WORDS[0])
}

/// What is typed beyond this many letters is nowhere near a word of at most eight.
const LONGEST_TYPED: usize = 16;

/// Letters to insert, remove or replace (Levenshtein), row by row.
fn distance(word: &str, typed: &[char]) -> usize {
    let mut row: Vec<usize> = (0..=typed.len()).collect();
    for (above, letter) in word.chars().enumerate() {
        let mut diagonal = above;
        row[0] = above + 1;
        for (column, other) in typed.iter().enumerate() {
            let replaced = diagonal + usize::from(letter != *other);
            diagonal = row[column + 1];
            row[column + 1] = replaced.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[typed.len()]
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn words_are_sorted_short_and_plain() {
        assert!(WORDS.is_sorted_by(|a, b| a < b));
        for word in WORDS {
            assert!((4..=8).contains(&word.len()), "{word}");
            assert!(word.bytes().all(|byte| byte.is_ascii_lowercase()), "{word}");
        }
    }

    #[test]
    fn four_letters_tell_any_two_words_apart() {
        assert_eq!(WORDS.map(|word| &word[..4]).iter().collect::<BTreeSet<_>>().len(), 1024);
    }

    /// One slip of the finger never turns one word into another.
    #[test]
    fn no_two_words_are_one_letter_apart() {
        for (place, word) in WORDS.iter().enumerate() {
            let letters: Vec<char> = word.chars().collect();
            for other in &WORDS[place + 1..] {
                assert!(distance(other, &letters) > 1, "{word} {other}");
            }
        }
    }

    #[test]
    fn every_word_is_found_at_its_place() {
        for index in 0..1024 {
            assert_eq!(index_of(word(index)), Some(index));
        }
        assert!(index_of("violet").is_some() && index_of("harbour").is_some());
        for unknown in ["", "harbor", "Harbour", "harb", "zzzz"] {
            assert_eq!(index_of(unknown), None, "{unknown}");
        }
    }

    #[test]
    fn a_mistyped_word_leads_to_its_neighbour() {
        for (typed, meant) in
            [("harbor", "harbour"), ("vilet", "violet"), ("zebraa", "zebra"), ("zero", "zero")]
        {
            assert_eq!(nearest(typed), meant, "{typed}");
        }
    }
}

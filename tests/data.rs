//! Suite: data. Small files stand in tests/data; real sets are read from the
//! folder that NNC_DATA names, and those tests say so where it is not set.

use flate2::{Compression, write::GzEncoder};
use nnc::train::data::generate::GENERATORS;
use nnc::train::data::random::{Stream, key, sin_cos_turns};
use nnc::train::data::{
    Argument, Batches, Column, DataError, Kind, Parts, Source, Table, Values, as_class, deal, fill_batch, fill_column,
    join, load, numbered, schema, split_rows,
};
use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};

// Sources of the tests.

fn csv(name: &str) -> Source {
    Source::Csv { path: Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name) }
}

fn generated(name: &str, args: &[(&str, f64)]) -> Source {
    let args = args.iter().map(|(name, value)| Argument::named(*name, *value)).collect();
    Source::Generated { name: name.into(), args }
}

fn error_of(source: &Source) -> DataError {
    match load(source) {
        Ok(table) => panic!("{source:?} loaded {} rows", table.rows),
        Err(error) => error,
    }
}

fn f32s(column: &Column) -> &[f32] {
    match &column.values {
        Values::F32(values) => values,
        other => panic!("{} holds {other:?}", column.name),
    }
}

fn i32s(column: &Column) -> &[i32] {
    match &column.values {
        Values::I32(values) => values,
        other => panic!("{} holds {other:?}", column.name),
    }
}

fn image_bytes(table: &Table) -> &[u8] {
    match &table.column("image").expect("a set of images").values {
        Values::U8 { bytes, .. } => bytes,
        other => panic!("images are bytes, not {other:?}"),
    }
}

/// The folder of real data sets; prints a line and gives `None` where it is not set.
fn real(path: &str) -> Option<PathBuf> {
    match std::env::var_os("NNC_DATA") {
        Some(folder) => Some(Path::new(&folder).join(path)),
        None => {
            println!("skipped: NNC_DATA is not set, {path} is not read");
            None
        }
    }
}

/// A folder for the files of one test, emptied first.
fn scratch(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("data").join(name);
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).expect("the target folder is writable");
    folder
}

// CSV.

#[test]
fn csv_reads_quotes_line_ends_and_byte_order_mark() {
    let table = load(&csv("quoted.csv")).unwrap();
    assert_eq!(table.rows, 3);
    assert_eq!(table.columns.iter().map(|c| c.name.as_str()).collect::<Vec<_>>(), ["name", "size, cm", "note"]);
    let names = ["Ann \"A\" Lee", "two\r\nlines", "Bob"].map(String::from).to_vec();
    assert_eq!(table.columns[0].values, Values::Text(names));
    assert_eq!(f32s(&table.columns[1]), [1.5, 2.25, -300.0]);
    assert_eq!(table.columns[2].values, Values::Text(["plain", "comma, here", "last"].map(String::from).to_vec()));
    assert_eq!(table.columns[0].origin.as_ref().unwrap().lines, [2, 3, 5]);
}

#[test]
fn csv_schema_tells_kinds_classes_and_gaps() {
    let schema = schema(&csv("gaps.csv")).unwrap();
    assert_eq!((schema.name.as_str(), schema.rows, schema.own_test), ("gaps", Some(4), None));
    let kinds: Vec<_> = schema.columns.iter().map(|column| column.kind.clone()).collect();
    assert_eq!(kinds, [Kind::Number, Kind::Number, Kind::Text, Kind::Number]);
    assert_eq!(schema.columns.iter().map(|column| column.missing).collect::<Vec<_>>(), [0, 2, 0, 0]);
    assert_eq!(schema.columns[0].classes, None, "1.5 is no class");
    assert_eq!(schema.columns[2].classes.as_deref().unwrap(), ["setosa", "versicolor", "virginica"]);
    assert_eq!(schema.columns[3].classes.as_deref().unwrap(), ["1", "2", "3"]);
}

#[test]
fn csv_gap_is_reported_at_its_cell_when_used() {
    let table = load(&csv("gaps.csv")).unwrap();
    let age = table.column("age").unwrap();
    assert_eq!(age.missing, [1, 2]);
    assert!(f32s(age)[1].is_nan() && f32s(age)[3] == 40.0);
    for error in [age.require_complete(&[]).unwrap_err(), as_class(age).unwrap_err()] {
        assert_eq!((error.row, error.column.as_deref()), (Some(3), Some("age")));
        assert!(error.file.as_ref().unwrap().ends_with("gaps.csv"));
        assert_eq!(error.message, "this cell is empty, and 1 more of this column are");
        assert!(error.help.unwrap().contains("fill(median)"));
    }
    assert_eq!(age.require_complete(&[true, false, false, true]), Ok(()), "rows that are not there may have gaps");
    assert!(f32s(&join(&[age]).unwrap())[2].is_nan(), "side by side a gap stays one");
    assert_eq!(table.column("height").unwrap().require_complete(&[]), Ok(()));
}

#[test]
fn csv_bad_number_is_reported_at_its_cell_when_used() {
    let table = load(&csv("bad_cell.csv")).unwrap();
    let error = join(&[table.column("b").unwrap()]).unwrap_err();
    assert_eq!((error.row, error.column.as_deref()), (Some(3), Some("b")));
    assert_eq!(error.message, "\"x\" is not a number");
}

#[test]
fn csv_damage_is_located() {
    let short = error_of(&csv("short_row.csv"));
    assert_eq!((short.row, short.message.as_str()), (Some(3), "this row has 1 cells, but the header has 2"));
    let twice = error_of(&csv("twice.csv"));
    assert_eq!((twice.row, twice.column.as_deref()), (Some(1), Some("a")));
    assert_eq!(error_of(&csv("header_only.csv")).message, "the file has a header but no rows");
    assert_eq!(error_of(&csv("empty.csv")).message, "the file is empty");
    let bytes = error_of(&csv("not_utf8.csv"));
    assert_eq!((bytes.row, bytes.message.as_str()), (Some(2), "the file is not UTF-8 text"));
}

#[test]
fn missing_file_is_named_and_a_near_one_offered() {
    let error = error_of(&csv("quotde.csv"));
    assert!(error.message.starts_with("there is no ") && error.message.ends_with("quotde.csv"), "{}", error.message);
    assert!(error.help.unwrap().ends_with("quoted.csv?"));
    let error = error_of(&Source::Csv { path: "no/such/folder/x.csv".into() });
    assert_eq!(error.help.unwrap(), "the folder no does not exist either");
}

#[test]
fn classes_are_alphabetical_or_ascending() {
    let table = load(&csv("gaps.csv")).unwrap();
    let species = as_class(table.column("species").unwrap()).unwrap();
    assert_eq!(i32s(&species), [0, 2, 0, 1]);
    let grade = as_class(table.column("grade").unwrap()).unwrap();
    assert_eq!(i32s(&grade), [2, 0, 2, 1]);
    assert_eq!(as_class(&grade), Ok(grade.clone()), "classes stay as they are");
    let error = as_class(table.column("height").unwrap()).unwrap_err();
    assert_eq!((error.row, error.column.as_deref()), (Some(2), Some("height")));
}

#[test]
fn a_category_that_is_not_known_is_located() {
    let table = load(&csv("gaps.csv")).unwrap();
    let species = table.column("species").unwrap();
    let known = ["setosa", "versicolor"].map(String::from);
    let error = numbered(species, &known).unwrap_err();
    assert_eq!((error.row, error.column.as_deref()), (Some(3), Some("species")));
    assert!(error.file.as_ref().unwrap().ends_with("gaps.csv"));
    assert_eq!(error.message, "\"virginica\" is not a known category");
    assert_eq!(error.help.unwrap(), "known are setosa, versicolor");
    let more = ["none", "setosa", "versicolor", "virginica"].map(String::from);
    assert_eq!(i32s(&numbered(species, &more).unwrap()), [1, 3, 1, 2]);
}

#[test]
fn join_puts_columns_side_by_side() {
    let pixels = Values::U8 { bytes: vec![0, 255, 51, 102], scale: 1.0 / 255.0 };
    let image = Column::new("image", Kind::Number, vec![2], pixels);
    let joined = join(&[&Column::numbers("a", vec![1.0, 2.0]), &image]).unwrap();
    assert_eq!((joined.name.as_str(), joined.shape.as_slice()), ("input", [3].as_slice()));
    assert_eq!(f32s(&joined), [1.0, 0.0, 1.0, 2.0, 51.0 * (1.0 / 255.0), 102.0 * (1.0 / 255.0)]);
    let longer = Column::numbers("b", vec![1.0, 2.0, 3.0]);
    assert!(join(&[&image, &longer]).unwrap_err().message.contains("3 rows"));
    let error = join(&[&load(&generated("moons", &[])).unwrap().columns[1]]).unwrap_err();
    assert!(error.help.unwrap().contains("one_hot"));
}

#[test]
fn literal_tables_are_checked() {
    let (a, b) = (Column::numbers("a", vec![1.0, 2.0]), Column::numbers("b", vec![1.0]));
    assert!(error_of(&Source::TableLiteral(vec![a.clone(), b])).message.contains("1 rows, but column a has 2"));
    assert!(error_of(&Source::TableLiteral(vec![a.clone(), a.clone()])).message.contains("two columns"));
    assert!(error_of(&Source::TableLiteral(vec![])).message.contains("at least one column"));
    assert_eq!(load(&Source::TableLiteral(vec![a])).unwrap().rows, 2);
}

// IDX.

fn idx(sizes: &[u32], values: &[u8]) -> Vec<u8> {
    let mut file = vec![0, 0, 8, sizes.len() as u8];
    sizes.iter().for_each(|size| file.extend(size.to_be_bytes()));
    file.extend(values);
    file
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).expect("a Vec takes all");
    encoder.finish().expect("a Vec takes all")
}

/// Three train rows and one test row of 2 x 2, in all four spellings of a name.
fn small_idx(name: &str) -> PathBuf {
    let folder = scratch(name);
    let pixels: Vec<u8> = (0..12).collect();
    std::fs::write(folder.join("train-images-idx3-ubyte.gz"), gzip(&idx(&[3, 2, 2], &pixels)))
        .expect("the target folder is writable");
    std::fs::write(folder.join("train-labels.idx1-ubyte"), idx(&[3], &[7, 2, 1]))
        .expect("the target folder is writable");
    std::fs::write(folder.join("t10k-images-idx3-ubyte"), idx(&[1, 2, 2], &[100, 101, 102, 103]))
        .expect("the target folder is writable");
    std::fs::write(folder.join("t10k-labels.idx1-ubyte.gz"), gzip(&idx(&[1], &[9])))
        .expect("the target folder is writable");
    folder
}

#[test]
fn idx_reads_plain_and_gzipped_files() {
    let dir = small_idx("idx_good");
    let table = load(&Source::Idx { dir: dir.clone() }).unwrap();
    assert_eq!((table.rows, table.own_test.clone()), (4, Some(3..4)));
    assert_eq!(image_bytes(&table), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 100, 101, 102, 103]);
    assert_eq!(i32s(&table.columns[1]), [7, 2, 1, 9]);
    assert_eq!(schema(&Source::Idx { dir: dir.clone() }).unwrap(), table.schema());
    std::fs::remove_file(dir.join("t10k-images-idx3-ubyte")).unwrap();
    assert!(error_of(&Source::Idx { dir: dir.clone() }).message.contains("t10k-images"));
    std::fs::remove_file(dir.join("t10k-labels.idx1-ubyte.gz")).unwrap();
    assert_eq!(load(&Source::Idx { dir }).unwrap().own_test, None);
}

#[test]
fn idx_hostile_files_are_errors() {
    let dir = small_idx("idx_hostile");
    let images = dir.join("train-images-idx3-ubyte.gz");
    let good = gzip(&idx(&[3, 2, 2], &[0; 12]));
    let mut wrong_sum = good.clone();
    let end = wrong_sum.len();
    wrong_sum[end - 6] ^= 0xFF;
    let cases: [(&str, Vec<u8>, &str); 11] = [
        ("empty", vec![], "ends too early"),
        ("magic", b"PNG and so on".to_vec(), "no IDX file"),
        ("type", [0, 0, 13, 3, 0, 0, 0, 0].to_vec(), "type 0x0d"),
        ("rank", idx(&[3], &[0; 3]), "at least two axes"),
        ("overflow", idx(&[u32::MAX; 4], &[0; 9]), "too short"),
        ("huge", gzip(&idx(&[3, 60_000, 60_000], &[0; 12])), "too short"),
        ("cut", idx(&[3, 2, 2], &[0; 11]), "too short"),
        ("cut gzip", good[..good.len() - 12].to_vec(), "ends too early"),
        ("checksum", wrong_sum, "damaged"),
        ("long", gzip(&idx(&[3, 2, 2], &[0; 13])), "longer"),
        ("count", gzip(&idx(&[2, 2, 2], &[0; 8])), "3 labels, but 2 images"),
    ];
    for (what, bytes, expected) in cases {
        std::fs::write(&images, bytes).unwrap();
        let error = error_of(&Source::Idx { dir: dir.clone() });
        assert!(error.message.contains(expected), "{what}: {}", error.message);
        assert!(error.file.is_some(), "{what}");
    }
    // Any damage to any byte may be an error or other pixels, never a panic.
    for position in 0..good.len() {
        let mut bytes = good.clone();
        bytes[position] ^= 0x55;
        std::fs::write(&images, bytes).unwrap();
        let _ = load(&Source::Idx { dir: dir.clone() });
    }
}

#[test]
fn idx_missing_files_are_named() {
    let folder = scratch("idx_missing");
    let error = error_of(&Source::Idx { dir: folder.join("mnist") });
    assert!(error.message.ends_with("mnist"), "{}", error.message);
    std::fs::write(folder.join("train-image-idx3-ubyte.gz"), b"").unwrap();
    let error = error_of(&Source::Idx { dir: folder });
    assert!(error.message.contains("train-images"), "{}", error.message);
    assert_eq!(error.help.as_deref(), Some("there is train-image-idx3-ubyte.gz: rename it"));
}

// Generators.

#[test]
fn generators_agree_with_their_schema_and_repeat() {
    for generator in GENERATORS {
        let source = generated(generator.name, &[("n", 37.0), ("noise", 0.3), ("seed", 5.0)]);
        let table = load(&source).unwrap();
        assert_eq!(schema(&source).unwrap(), table.schema(), "{}", generator.name);
        assert_eq!(load(&source).unwrap(), table, "{}", generator.name);
        let other = load(&generated(generator.name, &[("n", 37.0), ("noise", 0.3), ("seed", 6.0)])).unwrap();
        assert_ne!(other.columns[0], table.columns[0], "{} must depend on the seed", generator.name);
    }
}

#[test]
fn generated_rows_do_not_depend_on_how_many_there_are() {
    // 1100 digits are three units of work, 70 are one.
    let (few, many) = (generated("digits", &[("n", 70.0)]), generated("digits", &[("n", 1100.0)]));
    let (few, many) = (load(&few).unwrap(), load(&many).unwrap());
    assert_eq!(image_bytes(&few), &image_bytes(&many)[..70 * 784]);
}

#[test]
fn truth_tables_have_four_rows() {
    for (name, expected) in [("xor", [0.0, 1.0, 1.0, 0.0]), ("and", [0.0, 0.0, 0.0, 1.0]), ("or", [0.0, 1.0, 1.0, 1.0])]
    {
        let table = load(&generated(name, &[])).unwrap();
        assert_eq!(f32s(table.column("x").unwrap()), [0.0, 0.0, 0.0, 1.0, 1.0, 0.0, 1.0, 1.0]);
        assert_eq!(f32s(table.column("y").unwrap()), expected, "{name}");
    }
}

#[test]
fn noiseless_points_lie_on_their_curves() {
    let circles = load(&generated("circles", &[("n", 100.0), ("noise", 0.0), ("factor", 0.25)])).unwrap();
    for (point, &label) in f32s(&circles.columns[0]).chunks(2).zip(i32s(&circles.columns[1])) {
        let radius = point[0].hypot(point[1]);
        assert!((radius - if label == 0 { 1.0 } else { 0.25 }).abs() < 1e-6);
    }
    let sine = load(&generated("sine", &[("noise", 0.0), ("periods", 2.0)])).unwrap();
    for (x, y) in f32s(&sine.columns[0]).iter().zip(f32s(&sine.columns[1])) {
        assert!((0.0..12.57).contains(x) && (f64::from(*x).sin() - f64::from(*y)).abs() < 2e-6);
    }
    let blobs = load(&generated("blobs", &[("n", 4.0), ("noise", 0.0), ("classes", 4.0)])).unwrap();
    let corners = [1.0, 0.0, 0.0, 1.0, -1.0, 0.0, 0.0, -1.0];
    assert!(f32s(&blobs.columns[0]).iter().zip(corners).all(|(a, b)| (a - b).abs() < 1e-6));
}

#[test]
fn generator_arguments_are_checked() {
    let message = |name: &str, args: &[(&str, f64)]| error_of(&generated(name, args)).to_string();
    assert_eq!(message("mons", &[]), "there is no generator mons (hint: did you mean moons?)");
    assert_eq!(message("moons", &[("noize", 1.0)]), "moons has no argument noize (hint: did you mean noise?)");
    assert!(message("moons", &[("n", 2.5)]).contains("a whole number from 1 to"));
    assert!(message("moons", &[("noise", f64::NAN)]).contains("noise = NaN"));
    assert!(message("digits", &[("n", 1e18)]).contains("to 10000000"));
    assert!(message("moons", &[("n", 5.0), ("n", 6.0)]).contains("given twice"));
    let args = vec![Argument::positional(6.0), Argument::positional(0.0)];
    assert_eq!(load(&Source::Generated { name: "moons".into(), args }).unwrap().rows, 6);
    let args = vec![Argument::positional(6.0); 4];
    assert!(error_of(&Source::Generated { name: "moons".into(), args }).message.contains("at most 3"));
}

#[test]
fn digits_may_have_a_test_part_of_their_own() {
    let (source, longer) = (generated("digits", &[("n", 20.0), ("test", 5.0)]), generated("digits", &[("n", 25.0)]));
    let schema = schema(&source).unwrap();
    assert_eq!((schema.rows, schema.own_test), (Some(20), Some(5)));
    let (table, all) = (load(&source).unwrap(), load(&longer).unwrap());
    assert_eq!((table.rows, table.own_test.clone()), (25, Some(20..25)));
    // They are the rows that a longer set would have.
    assert_eq!(table.column("image"), all.column("image"));
    assert!(error_of(&generated("moons", &[("test", 5.0)])).message.contains("no argument test"));
}

#[test]
fn digits_are_drawn_within_the_frame_and_vary() {
    let table = load(&generated("digits", &[("n", 500.0)])).unwrap();
    assert_eq!(table.columns[0].shape, [28, 28]);
    let images: Vec<&[u8]> = image_bytes(&table).chunks(784).collect();
    let distinct: BTreeSet<&&[u8]> = images.iter().collect();
    assert_eq!(distinct.len(), 500);
    for image in &images {
        let ink = image.iter().filter(|&&pixel| pixel > 60).count();
        assert!((25..350).contains(&ink), "{ink} inked pixels");
    }
    let edge = images.iter().filter(|image| image[..28].iter().any(|&pixel| pixel > 60)).count();
    assert!(edge < 25, "{edge} of 500 digits touch the upper edge");
}

#[test]
fn nearest_mean_tells_most_digits_but_not_all() {
    let table = load(&generated("digits", &[("n", 2000.0)])).unwrap();
    let images: Vec<&[u8]> = image_bytes(&table).chunks(784).collect();
    let mut means = vec![[0.0_f32; 784]; 10];
    for (row, image) in images[..1500].iter().enumerate() {
        means[row % 10].iter_mut().zip(*image).for_each(|(mean, &pixel)| *mean += f32::from(pixel) / 150.0);
    }
    let distance = |image: &[u8], mean: &[f32; 784]| -> f32 {
        image.iter().zip(mean).map(|(&pixel, mean)| (f32::from(pixel) - mean).powi(2)).sum()
    };
    let guess =
        |image: &[u8]| (0..10).min_by(|&a, &b| distance(image, &means[a]).total_cmp(&distance(image, &means[b])));
    let right = (1500..2000).filter(|&row| guess(images[row]) == Some(row % 10)).count();
    assert!((250..475).contains(&right), "{right} of 500 right");
}

#[test]
fn random_numbers_have_the_right_moments() {
    let mut stream = Stream::new(key(3, "moments"), 0);
    let draws: Vec<f64> = (0..20_000).flat_map(|_| <[f64; 2]>::from(stream.normal_pair())).collect();
    let count = draws.len() as f64;
    let moment = |power: i32| draws.iter().map(|draw| draw.powi(power)).sum::<f64>() / count;
    assert!(moment(1).abs() < 0.02 && (moment(2) - 1.0).abs() < 0.03 && (moment(4) - 3.0).abs() < 0.2);
    let mut counts = [0; 7];
    (0..70_000).for_each(|_| counts[stream.below(7) as usize] += 1);
    assert!(counts.iter().all(|count| (9_600..10_400).contains(count)), "{counts:?}");
    for step in -40..40 {
        let turns = f64::from(step) / 13.0;
        let (sin, cos) = sin_cos_turns(turns);
        let angle = turns * std::f64::consts::TAU;
        assert!((sin - angle.sin()).abs() < 1e-14 && (cos - angle.cos()).abs() < 1e-14, "{turns}");
    }
}

// Splits.

/// The rows that the source does not set aside.
fn rows_of(table: &Table) -> Vec<u32> {
    let test = table.own_test.clone().unwrap_or(0..0);
    (0..table.rows).filter(|row| !test.contains(row)).map(|row| row as u32).collect()
}

fn split(table: &Table, fractions: &[(&str, f64)], seed: u64, stratify: Option<&Column>) -> Result<Parts, DataError> {
    split_rows(&table.name, &rows_of(table), fractions, seed, stratify)
}

fn folds(table: &Table, count: usize, seed: u64, stratify: Option<&Column>) -> Result<Vec<Parts>, DataError> {
    deal(&table.name, &rows_of(table), count, seed, stratify)
}

fn sizes(table: &Table, fractions: &[(&str, f64)]) -> Vec<usize> {
    split(table, fractions, 1, None)
        .expect("fractions that sum to 1")
        .parts
        .iter()
        .map(|(_, rows)| rows.len())
        .collect()
}

#[test]
fn split_covers_every_row_once() {
    let table = load(&generated("moons", &[("n", 101.0)])).unwrap();
    assert_eq!(sizes(&table, &[("train", 0.7), ("val", 0.15), ("test", 0.15)]), [71, 15, 15]);
    assert_eq!(sizes(&table, &[]), [101]);
    assert_eq!(sizes(&table, &[("a", 1.0 / 3.0), ("b", 1.0 / 3.0), ("c", 1.0 / 3.0)]).iter().sum::<usize>(), 101);
    let parts = split(&table, &[("train", 0.7), ("val", 0.3)], 1, None).unwrap();
    let mut rows: Vec<u32> = parts.parts.iter().flat_map(|(_, rows)| rows.clone()).collect();
    rows.sort_unstable();
    assert_eq!(rows, (0..101).collect::<Vec<u32>>());
    assert_ne!(parts.get("train").unwrap(), (0..71).collect::<Vec<u32>>(), "rows are drawn at random");
    assert_eq!(split(&table, &[("train", 0.7), ("val", 0.3)], 1, None).unwrap(), parts);
    assert_ne!(split(&table, &[("train", 0.7), ("val", 0.3)], 2, None).unwrap(), parts);
    let renamed = Table { name: "other".into(), ..table };
    assert_ne!(split(&renamed, &[("train", 0.7), ("val", 0.3)], 1, None).unwrap(), parts);
}

#[test]
fn stratified_split_keeps_proportions() {
    let label = Column::numbers("label", (0..100).map(|row| if row < 80 { 4.0 } else { 9.0 }).collect());
    let table = Table::new("skewed", vec![label]).unwrap();
    let parts = split(&table, &[("train", 0.75), ("test", 0.25)], 0, Some(&table.columns[0])).unwrap();
    for (part, expected) in [("train", [60, 15]), ("test", [20, 5])] {
        let rows = parts.get(part).unwrap();
        let rare = rows.iter().filter(|&&row| row >= 80).count();
        assert_eq!([rows.len() - rare, rare], expected, "{part}");
    }
    let folds = folds(&table, 5, 0, Some(&table.columns[0])).unwrap();
    assert!(folds.iter().all(|fold| fold.get("val").unwrap().iter().filter(|&&row| row >= 80).count() == 4));
}

#[test]
fn folds_hold_every_row_out_once() {
    let table = load(&generated("moons", &[("n", 23.0)])).unwrap();
    let folds_of = folds(&table, 5, 3, None).unwrap();
    let mut held_out = Vec::new();
    for fold in &folds_of {
        let (train, val) = (fold.get("train").unwrap(), fold.get("val").unwrap());
        assert_eq!(train.len() + val.len(), 23);
        assert!(val.iter().all(|row| !train.contains(row)));
        held_out.extend_from_slice(val);
    }
    held_out.sort_unstable();
    assert_eq!(held_out, (0..23).collect::<Vec<u32>>());
    assert!(folds(&table, 1, 0, None).is_err() && folds(&table, 24, 0, None).is_err());
}

#[test]
fn split_mistakes_are_errors() {
    let table = load(&generated("moons", &[("n", 10.0)])).unwrap();
    let message = |fractions: &[(&str, f64)]| split(&table, fractions, 0, None).unwrap_err().message;
    assert_eq!(message(&[("train", 0.7), ("val", 0.2)]), "the fractions of a split sum to 1, these sum to 0.9");
    assert!(message(&[("train", 1.5), ("val", -0.5)]).contains("from 0 to 1"));
    assert!(message(&[("train", f64::NAN)]).contains("from 0 to 1"));
    assert!(message(&[("val", 0.5), ("val", 0.5)]).contains("given twice"));
    assert!(message(&[("train", 0.99), ("val", 0.01)]).contains("no rows"));
    assert!(split(&table, &[("a", 0.7), ("b", 0.3 + 5e-7)], 0, None).is_ok());
}

#[test]
fn own_test_rows_are_not_split() {
    let table = load(&Source::Idx { dir: small_idx("idx_split") }).unwrap();
    assert_eq!((table.own_test.clone(), rows_of(&table)), (Some(3..4), vec![0, 1, 2]));
    let parts = split(&table, &[("train", 2.0 / 3.0), ("val", 1.0 / 3.0)], 0, None).unwrap();
    assert_eq!((parts.get("train").unwrap().len(), parts.get("val").unwrap().len()), (2, 1));
}

// Batches.

#[test]
fn epochs_are_shuffled_by_their_number_alone() {
    let part: Vec<u32> = (100..200).collect();
    let mut batches = Batches::new(&part, 32, 7, "moons").unwrap();
    assert_eq!(batches.count(), 4);
    assert_eq!(batches.iter().map(<[u32]>::len).collect::<Vec<_>>(), [32, 32, 32, 4]);
    assert_eq!(batches.batch(0), &part[..32], "in order before the first epoch");
    let order = |batches: &mut Batches, epoch| {
        batches.start_epoch(epoch);
        batches.iter().flatten().copied().collect::<Vec<u32>>()
    };
    let first = order(&mut batches, 0);
    let third = order(&mut batches, 2);
    assert_ne!(first, third);
    assert_eq!(order(&mut batches, 0), first);
    let mut sorted = third;
    sorted.sort_unstable();
    assert_eq!(sorted, part);
    assert!(batches.batch(4).is_empty() && batches.batch(usize::MAX).is_empty());
    assert!(Batches::new(&part, 0, 0, "x").is_err());
}

#[test]
fn batches_load_every_kind_of_column() {
    let pixels = Values::U8 { bytes: vec![0, 1, 2, 3, 4, 255], scale: 0.5 };
    let image = Column::new("image", Kind::Number, vec![2], pixels);
    let kind = Kind::Class { count: 3, names: vec!["a".into(), "b".into(), "c".into()] };
    let label = Column::new("label", kind, vec![], Values::I32(vec![2, 0, 1]));
    let number = Column::numbers("number", vec![0.25, -1.0, 7.0]);
    let table = Table::new("all", vec![image, label, number]).unwrap();
    let (mut images, mut labels, mut numbers) = ([9; 5], [0; 2], [0; 2]);
    fill_batch(&table, &[0, 1, 2], &[2, 0], &mut [&mut images, &mut labels, &mut numbers]);
    assert_eq!(images[..4].iter().map(|&word| f32::from_bits(word)).collect::<Vec<_>>(), [2.0, 127.5, 0.0, 0.5]);
    assert_eq!(images[4], 9, "words beyond the last row are left alone");
    assert_eq!(labels.map(u32::cast_signed), [1, 2]);
    assert_eq!(numbers.map(f32::from_bits), [7.0, 0.25]);
}

#[test]
fn a_helper_thread_can_load_ahead() {
    let table = load(&generated("moons", &[("n", 50.0)])).unwrap();
    let mut batches = Batches::new(&(0..50).collect::<Vec<u32>>(), 20, 0, "moons").unwrap();
    batches.start_epoch(0);
    let (mut now, mut ahead) = (vec![0; 40], vec![0; 40]);
    std::thread::scope(|scope| {
        scope.spawn(|| fill_column(&table.columns[0], batches.batch(1), &mut ahead));
        fill_column(&table.columns[0], batches.batch(0), &mut now);
    });
    let row = batches.batch(1)[0] as usize;
    assert_eq!(f32::from_bits(ahead[0]), f32s(&table.columns[0])[2 * row]);
    assert_ne!(now, ahead);
}

// Real sets.

#[test]
fn real_titanic() {
    let Some(path) = real("titanic/titanic.csv") else { return };
    let table = load(&Source::Csv { path }).unwrap();
    assert_eq!((table.rows, table.columns.len()), (891, 12));
    let gaps = |name: &str| table.column(name).unwrap().missing.len();
    assert_eq!([gaps("Age"), gaps("Cabin"), gaps("Embarked"), gaps("Fare")], [177, 687, 2, 0]);
    let error = table.column("Age").unwrap().require_complete(&[]).unwrap_err();
    assert_eq!((error.row, error.column.as_deref()), (Some(7), Some("Age")));
    let survived = table.column("Survived").unwrap();
    let parts = split(&table, &[("train", 0.7), ("val", 0.15), ("test", 0.15)], 0, Some(survived)).unwrap();
    for (part, rows) in &parts.parts {
        let share = rows.iter().map(|&row| f32s(survived)[row as usize]).sum::<f32>() / rows.len() as f32;
        assert!((share - 342.0 / 891.0).abs() < 0.01, "{part}: {share}");
    }
}

#[test]
fn real_iris_and_series() {
    let Some(path) = real("iris/iris.csv") else { return };
    let table = load(&Source::Csv { path }).unwrap();
    let species = as_class(table.column("target_name").unwrap()).unwrap();
    assert_eq!(
        species.kind,
        Kind::Class { count: 3, names: ["setosa", "versicolor", "virginica"].map(String::from).to_vec() }
    );
    assert_eq!(join(&table.columns[..4].iter().collect::<Vec<_>>()).unwrap().values.len(), 600);
    let path = real("airline_passengers/airline-passengers.csv").unwrap();
    let series = load(&Source::Csv { path }).unwrap();
    assert_eq!((series.rows, f32s(&series.columns[1])[143]), (144, 432.0));
}

#[test]
fn real_mnist_and_fashion() {
    for set in ["mnist", "fashion-mnist"] {
        let Some(dir) = real(set) else { return };
        let table = load(&Source::Idx { dir: dir.clone() }).unwrap();
        assert_eq!((table.rows, table.own_test.clone()), (70_000, Some(60_000..70_000)));
        assert_eq!(schema(&Source::Idx { dir }).unwrap(), table.schema());
        assert_eq!(table.columns[0].shape, [28, 28]);
        let zeros = i32s(&table.columns[1])[60_000..].iter().filter(|&&label| label == 0).count();
        assert_eq!(zeros, if set == "mnist" { 980 } else { 1000 });
    }
}

#[test]
fn a_text_is_read_once_and_its_windows_are_pieces_of_it() {
    let source = |by, window| {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/data/garden.txt");
        nnc::train::data::TextSource { path, by, window: Some(window), stride: None }
    };
    let text = std::fs::read_to_string(source(nnc::train::data::By::Characters, 1).path).unwrap();
    let letters: Vec<char> = text.chars().collect();
    let running = Source::Text(source(nnc::train::data::By::Characters, 10));
    let (table, parts) = nnc::train::data::load_parts(&running, &[("train", 0.9), ("test", 0.1)]).unwrap();
    let parts = parts.unwrap();
    let Kind::Class { names, .. } = &table.columns[0].kind else { panic!("ids are classes") };
    let row = |column: usize, row: u32| {
        let mut words = [0; 10];
        nnc::train::data::fill_column(&table.columns[column], &[row], &mut words);
        words.iter().map(|&word| names[word as usize].as_str()).collect::<String>()
    };
    let cut = |start: usize| letters[start..start + 10].iter().collect::<String>();
    assert_eq!((row(0, 1), row(1, 1)), (cut(10), cut(11)));
    // The test part begins where the training part ends, and no row reaches over.
    let first = (letters.len() as f64 * 0.9).round() as usize;
    let test = parts.get("test").unwrap();
    assert_eq!(row(0, test[0]), cut(first));
    let train = parts.get("train").unwrap().len();
    assert_eq!(train, (first - 11) / 10 + 1);
    let lines = Source::Text(source(nnc::train::data::By::Lines, 80));
    let (table, parts) = nnc::train::data::load_parts(&lines, &[]).unwrap();
    assert!(parts.is_none());
    assert_eq!(table.rows, text.lines().filter(|line| !line.is_empty()).count());
}

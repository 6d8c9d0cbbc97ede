package pickle

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/pierrec/lz4/v4"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/ulikunitz/xz"
)

// A kept value of testdata, as Python wrote it; see testdata/generate.py.
type kept struct {
	Name, Shows string
	Files       map[string]string
}

func (k kept) file(format string) []byte {
	var b []byte
	for _, c := range k.Files[format] {
		b = append(b, byte(c))
	}
	return b
}

func keptValues(t testing.TB) map[string][]kept {
	t.Helper()
	paths, err := filepath.Glob("testdata/*.json.gz")
	require.NoError(t, err)
	require.NotEmpty(t, paths)
	all := map[string][]kept{}
	for _, path := range paths {
		f, err := os.Open(path)
		require.NoError(t, err)
		defer f.Close()
		z, err := gzip.NewReader(f)
		require.NoError(t, err)
		var values []kept
		require.NoError(t, json.NewDecoder(z).Decode(&values))
		all[strings.TrimSuffix(filepath.Base(path), ".json.gz")] = values
	}
	return all
}

// ours allows the classes of testdata.
func ours(g Global) bool { return g.Module == "__main__" }

func read(data []byte) (any, error) {
	unpacked, err := Unpack(data)
	if err != nil {
		return nil, err
	}
	return Decode(unpacked, len(data), ours)
}

// show writes a value as generate.py does.
func show(v any) string {
	all := func(items []any) string {
		var s []string
		for _, v := range items {
			s = append(s, show(v))
		}
		return strings.Join(s, " ")
	}
	switch v := v.(type) {
	case nil:
		return "nil"
	case float64:
		return fmt.Sprintf("%016xf", math.Float64bits(v))
	case string:
		var b bytes.Buffer
		e := json.NewEncoder(&b)
		e.SetEscapeHTML(false)
		_ = e.Encode(v)
		return strings.TrimSpace(b.String())
	case []byte:
		return "b" + hex.EncodeToString(v)
	case Tuple:
		return "(" + all(v) + ")"
	case *List:
		return "[" + all(v.Items) + "]"
	case *Dict:
		var s []string
		for i, k := range v.Keys {
			s = append(s, show(k)+":"+show(v.Values[i]))
		}
		return "{" + strings.Join(s, " ") + "}"
	case Global:
		return v.String()
	case *Object:
		s := v.Class.String() + "(" + all(v.Args) + ")"
		if v.State != nil {
			s += show(v.State)
		}
		if v.Items != nil {
			s += "[" + all(v.Items) + "]"
		}
		if v.Entries != nil {
			s += show(v.Entries)
		}
		return s
	case *Array:
		return fmt.Sprintf("array %s %s %s", v.Type, strings.ReplaceAll(fmt.Sprint(v.Shape), " ", ", "), elements(v))
	}
	return fmt.Sprint(v)
}

func elements(a *Array) string {
	var items []any
	if a.Type.Fields != nil {
		var s []string
		for _, f := range a.Type.Fields {
			column, err := a.Field(f.Name)
			if err != nil {
				return err.Error()
			}
			s = append(s, f.Name+"="+elements(column))
		}
		return strings.Join(s, " ")
	}
	switch a.Type.Kind {
	case 'O':
		items, _ = Items(a)
	case 'b':
		ints, _ := a.Ints()
		for _, i := range ints {
			items = append(items, i != 0)
		}
	case 'U':
		text, _ := a.Strings()
		for _, s := range text {
			items = append(items, s)
		}
	case 'f':
		floats, _ := a.Floats()
		for _, f := range floats {
			items = append(items, f)
		}
	default:
		ints, _ := a.Ints()
		for _, i := range ints {
			items = append(items, i)
		}
	}
	return show(&List{items})
}

func TestDecode(t *testing.T) {
	for version, values := range keptValues(t) {
		for _, k := range values {
			for format := range k.Files {
				t.Run(version+"/"+k.Name+"/"+format, func(t *testing.T) {
					v, err := read(k.file(format))
					require.NoError(t, err)
					assert.Equal(t, k.Shows, show(v))
				})
			}
		}
	}
}

// Every truncated file is an error, wherever it ends.
func TestDecodeCutOff(t *testing.T) {
	for version, values := range keptValues(t) {
		for _, k := range values {
			for format := range k.Files {
				file := k.file(format)
				step := 1 + len(file)/100
				if strings.HasPrefix(format, "joblib ") && format != "joblib 0" && k.Name != "dicts" {
					continue
				}
				for n := 0; n < len(file); n += step {
					if _, err := read(file[:n]); err == nil || !strings.HasPrefix(err.Error(), "pickle: ") {
						t.Fatalf("%s/%s/%s: %d bytes of %d: %v", version, k.Name, format, n, len(file), err)
					}
				}
			}
		}
	}
}

func TestDetect(t *testing.T) {
	for _, values := range keptValues(t) {
		for _, k := range values {
			for format := range k.Files {
				if format == "protocol 0" || format == "protocol 1" {
					continue
				}
				assert.True(t, Detect(k.file(format)) != Packed(k.file(format)), "%s/%s", k.Name, format)
			}
			if k.Name == "object" {
				assert.True(t, Detect(k.file("protocol 0")))
				assert.True(t, Detect(k.file("protocol 1")))
			}
		}
	}
	for _, text := range []string{"", "c", "\x80", "tree\nversion=v4\n", "{}", `{"a":1}`, "{L\x00", "csv, header\n1,2\n", "c\n", "binf"} {
		assert.False(t, Detect([]byte(text)) || Packed([]byte(text)), "%q", text)
	}
}

func TestDecodeRefuses(t *testing.T) {
	deep := strings.Repeat("(", 1<<16) + "."
	bomb := func(s string) string { // refers to a long text many times
		return "X\x00\x00\x04\x00" + strings.Repeat("a", 1<<18) + "q\x00" + strings.Repeat(s, 1<<10) + "."
	}
	array := func(shape, data string) string {
		return "cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntU\x01btR(I1\n(" + shape + "tcnumpy\ndtype\n(U\x02f8I0\nI1\ntR(I3\nU\x01<NNNI-1\nI-1\nI0\ntbI00\n" + data + "tb."
	}
	for _, c := range []struct{ name, file, says string }{
		{"os.system", "cos\nsystem\n(S'echo hello'\ntR.", "byte 0: os.system is not among the supported classes and functions"},
		{"posix.system", "\x80\x04\x8c\x05posix\x94\x8c\x06system\x94\x93\x94\x8c\x02ls\x85R.", "byte 19: posix.system"},
		{"builtins.eval", "c__builtin__\neval\n(S'1'\ntR.", "builtins.eval is not among"},
		{"builtins.getattr", "cbuiltins\ngetattr\n(tR.", "builtins.getattr is not among"},
		{"an instance", "(S'ls'\nios\nsystem\n.", "os.system is not among"},
		{"a name in pieces", "\x80\x04\x8c\x04a\nb\x00\x8c\x01c\x93.", `"a\nb\x00.c" is not among`},
		{"a long name", "c" + strings.Repeat("a", 1<<20) + "\nb\n.", "aaa… is not among"},
		{"a call of a call", "c__main__\nf\n)R)R.", "a call of a __main__.f"},
		{"a call of a list", "](I1\ntR.", "a call of a list"},
		{"called with a list", "c__main__\nf\n]R.", "__main__.f is called with a list"},
		{"persistent id", "Pid\n.", "a persistent id"},
		{"extension", "\x82\x01.", "extension registry"},
		{"a buffer elsewhere", "\x80\x05\x97.", "buffer_callback"},
		{"another protocol", "\x80\x06N.", "protocol 6"},
		{"named arguments", "c__main__\nC\n)}U\x01aI1\ns\x92.", "named arguments"},

		{"empty", "", "byte 0: ends too early"},
		{"no stop", "N", "byte 1: ends too early"},
		{"nothing to stop with", ".", "byte 0: the stack is empty"},
		{"unknown instruction", "\xff", "byte 0: unknown instruction 0xff"},
		{"marks", deep, "byte 65536: the stack is empty"},
		{"below a mark", "N(0.", ""},
		{"below a mark, two", "N(a.", "the stack is empty"},
		{"no mark", "Nt.", "no mark"},
		{"no memory", "g1\n.", "no value is stored under key 1"},
		{"a key", "Np-1\n.", `"-1" is not a key`},
		{"a short text", "X\xff\xff\xff\x7fabc", "2147483647 bytes declared, 3 left"},
		{"a very short text", "\x8d\xff\xff\xff\xff\xff\xff\xff\xffabc", "18446744073709551615 bytes declared"},
		{"a number", "I1x\n.", `"1x" is not a whole number`},
		{"a long number", "L" + strings.Repeat("9", 1001) + "L\n.", "an integer of 1001 digits"},
		{"a float", "Fx\n.", `"x" is not a number`},
		{"an unquoted text", "Sabc\n.", "is not a quoted string"},
		{"a text in two quotes", "S'abc\"\n.", "is not a quoted string"},
		{"an escape", `S'\q'` + "\n.", "unknown escape"},
		{"an escape of text", `V\u12` + "\n.", "ends in an escape"},
		{"a broken escape", `V\U00110000` + "\n.", "broken escape"},
		{"a key without a value", "(I1\nd.", "a key without a value"},
		{"elements for a number", "I1\nI2\na.", "elements for a number"},
		{"entries for a number", "I1\nI2\nI3\ns.", "entries for a number"},
		{"a state for a number", "I1\nI2\nb.", "a state for a number"},
		{"a name of numbers", "I1\nI2\n\x93.", "a name that is not a string"},

		{"array: too short", array("I2\n", "U\x08\x00\x00\x00\x00\x00\x00\x00\x00"), "the data of an array is a str"},
		{"array: too few", array("I2\n", "C\x08\x00\x00\x00\x00\x00\x00\x00\x00"), "2 elements of 8 bytes in 8 bytes"},
		{"array: overflow", array("I4611686018427387904\nI4\n", "C\x00"), "an array of shape"},
		{"array: many of nothing", array("I4611686018427387904\n", "C\x00"), "elements of 8 bytes in 0 bytes"},
		{"array: negative", array("I-1\n", "C\x00"), "dimension 0 of an array is not a size"},
		{"array: of nothing", "cnumpy.core.multiarray\n_reconstruct\n)RNb.", "the state of an array is nothing"},
		{"dtype: unknown", "cnumpy\ndtype\n(U\x02z8tR.", `the dtype "z8"`},
		{"dtype: huge", "cnumpy\ndtype\n(U\x0aV999999999tR.", `the dtype "V999999999"`},
		{"dtype: no state", "cnumpy\ndtype\n(U\x02f8tRNb.", "the state of a dtype"},
		{"dtype: version", "cnumpy\ndtype\n(U\x02f8tR(I9\nU\x01<NNNI-1\nI-1\ntb.", "a version of the state of a dtype"},
		{"dtype: a field outside", "cnumpy\ndtype\n(U\x02V8tR(I3\nU\x01|N(U\x01at}U\x01a(cnumpy\ndtype\n(U\x02f8tRI1\ntsI8\nI1\nI0\ntb.", `field "a" of a dtype does not lie in the record`},

		{"dtype: objects with fields", "cnumpy\ndtype\n(U\x02O8tR(I3\nU\x01|N(U\x01at}U\x01a(cnumpy\ndtype\n(U\x02f8tRI0\ntsI8\nI1\nI0\ntb.", "fields of a dtype of kind O, not V"},
		{"dtype: fields that overlap", "cnumpy\ndtype\n(U\x02V9tR(I3\nU\x01|N(U\x01aU\x01bt}U\x01a(cnumpy\ndtype\n(U\x02f8tRI1\ntsU\x01b(cnumpy\ndtype\n(U\x02i4tRI0\ntsI9\nI1\nI0\ntb.", `fields that overlap, "b" and "a"`},
		{"dtype: many fields", "cnumpy\ndtype\n(U\x02V8tR(I3\nU\x01|N(" + strings.Repeat("U\x01a", 65) + "t}I8\nI1\nI0\ntb.", "a dtype of 65 fields, more than 64"},
		{"array: dimensions", array(strings.Repeat("I1\n", 65), "C\x08\x00\x00\x00\x00\x00\x00\x00\x00"), "the shape of an array is a tuple"},

		{"copies of text", bomb("c_codecs\nencode\n(h\x00U\x06latin1tR0"), "needs more memory than a file of"},
		{"copies of lists", "(" + strings.Repeat("N", 1<<18) + "lq\x00" + strings.Repeat("cbuiltins\nset\n(h\x00tR0", 1<<12) + ".", "needs more memory than a file of"},

		{"xz, cut short", "\xfd7zXZ\x00", "unpack xz: ends too early"},
		{"xz, a header", "\xfd7zXZ\x00\x00\x04abcd", "unpack xz: its header is damaged"},
		{"LZMA, cut short", "\x5d\x00\x00\x80\x00", "unpack LZMA: ends too early"},
		{"LZMA, much memory", "\x5d\x00\x00\x00\xf0\xff\xff\xff\xff\xff\xff\xff\xff\x00\x00\x00\x00\x00", "unpack LZMA: "},
		{"LZ4, cut short", "\x04\x22\x4d\x18", "unpack LZ4: ends too early"},
		{"old joblib", "ZF0x12", "joblib before 0.10"},
		{"gzip, broken", "\x1f\x8b\x08xxxxxxxxxxx", "pickle: unpack gzip"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := read([]byte(c.file))
			if c.says == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, c.says)
			assert.Less(t, len(err.Error()), 300)
		})
	}
}

// Decode charges all memory that a byte of input can allocate.
func TestDecodeMemory(t *testing.T) {
	// Instructions that are repeated, with None as their value.
	for name, unit := range map[string]string{
		"dicts": "}", "lists": "]", "memory": "\x94", "tuples, remembered": ")\x94", "marks": "(", "None": "N", "copies": "2",
		"entries": "}K\x01K\x02s", "text as key": "}\x8c\x00K\x02s", "text": "\x8c\x01a", "elements": "]K\x01a", "floats": "G01234567",
	} {
		t.Run(name, func(t *testing.T) {
			const share = 16 // share of the memory that Decode allows
			data := []byte("\x80\x04N" + strings.Repeat(unit, 4<<20/share/len(unit)) + ".")
			d := &decoder{data: data, left: room / share}
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			v, err := d.run()
			runtime.ReadMemStats(&after)
			if err != nil && name != "marks" { // marks are not values
				require.ErrorIs(t, err, ErrUnsupported)
				require.ErrorContains(t, err, "more memory than a file of 0 bytes is allowed: write an uncompressed file")
			}
			assert.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(600<<20/share)) // a quarter of it is left: the rest was outgrown
			runtime.KeepAlive(v)
		})
	}
	// A file that was larger before it was packed is allowed more; texts are allowed most.
	dicts := []byte("\x80\x04" + strings.Repeat("}", 15<<16) + ".")
	_, err := Decode(dicts, 61178, nil)
	require.ErrorIs(t, err, ErrUnsupported)
	_, err = Decode(append(dicts, make([]byte, 16<<20)...), 16<<20, nil)
	require.NoError(t, err)
	// Texts have an allowance of their own.
	texts := []byte("\x80\x04" + strings.Repeat("\x8c\x40"+strings.Repeat("a", 64)+"\x940", 1000) + "N.")
	_, err = (&decoder{data: texts, left: 1 << 8, texts: 200_000}).run()
	require.NoError(t, err)
	_, err = (&decoder{data: texts, left: 1 << 20, texts: 100_000}).run()
	require.ErrorIs(t, err, ErrUnsupported)
}

// A bomb of nested tuples, or of a million lists, in 20 MB is refused before it fills the memory.
func TestDecodeBomb(t *testing.T) {
	for _, text := range []string{"\x80\x04)" + strings.Repeat("\x85", 20<<20), "\x80\x04(" + strings.Repeat("]", 20<<20), "\x80\x04" + strings.Repeat(")", 20<<20)} {
		data := []byte(text + ".")
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := Decode(data, len(data), nil)
		runtime.ReadMemStats(&after)
		require.ErrorIs(t, err, ErrUnsupported)
		require.ErrorContains(t, err, fmt.Sprintf("its content needs more memory than a file of %d bytes is allowed", len(data)))
		assert.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(200<<20))
	}
}

// Files of Go's writers of LZ4 and LZMA are read like those of Python's, which other tests have: see objective/tree. An
// xz file with a block that asks for 4 GiB is refused.
func TestUnpackOthers(t *testing.T) {
	want := []byte("\x80\x04\x8c\x05hello" + strings.Repeat("N0", 100_000) + ".")
	var packed bytes.Buffer
	w := lz4.NewWriter(&packed)
	_, err := w.Write(want)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	got, err := Unpack(packed.Bytes())
	require.NoError(t, err)
	assert.Equal(t, want, got)
	for _, check := range []byte{xz.None, xz.CRC32, xz.CRC64, xz.SHA256} {
		packed.Reset()
		z, err := xz.WriterConfig{CheckSum: check, NoCheckSum: check == xz.None, BlockSize: 50_000}.NewWriter(&packed)
		require.NoError(t, err)
		_, err = z.Write(want)
		require.NoError(t, err)
		require.NoError(t, z.Close())
		got, err := Unpack(packed.Bytes())
		require.NoError(t, err, check)
		assert.Equal(t, want, got)
		_, err = Unpack(packed.Bytes()[:packed.Len()/2])
		require.ErrorContains(t, err, "ends too early")
		damaged := bytes.Clone(packed.Bytes())
		damaged[12] ^= 1 // the size of the first block's header
		_, err = Unpack(damaged)
		require.ErrorContains(t, err, "unpack xz: ")
	}
	huge := bytes.Clone(packed.Bytes())
	size := (int(huge[12]) + 1) * 4
	at := bytes.IndexByte(huge[14:12+size], 0x21) + 14
	huge[at+2] = 40
	binary.LittleEndian.PutUint32(huge[12+size-4:], crc32.ChecksumIEEE(huge[12:12+size-4]))
	_, err = Unpack(huge)
	require.ErrorIs(t, err, ErrUnsupported)
	require.ErrorContains(t, err, "bytes of memory to unpack")
}

func TestUnpackBomb(t *testing.T) {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, err := z.Write(make([]byte, 1<<20))
	require.NoError(t, err)
	require.NoError(t, z.Close())
	_, err = unpack(b.Bytes(), 1<<19)
	require.ErrorIs(t, err, ErrUnsupported)
	assert.ErrorContains(t, err, "unpack to more than 524288")
	out, err := unpack(b.Bytes(), 1<<20)
	require.NoError(t, err)
	assert.Len(t, out, 1<<20)
}

func TestDecodeStops(t *testing.T) {
	d := &decoder{data: []byte("N0N0N."), steps: maxSteps - 3, left: 1 << 10}
	_, err := d.run()
	require.ErrorIs(t, err, ErrUnsupported)
	assert.ErrorContains(t, err, "more than 16777216 instructions")
}

// A value that can be shared can contain itself.
func TestDecodeCycle(t *testing.T) {
	v, err := Decode([]byte("]q\x00h\x00a."), 7, nil)
	require.NoError(t, err)
	list := v.(*List)
	require.Len(t, list.Items, 1)
	assert.Same(t, list, list.Items[0])
}

func FuzzDecode(f *testing.F) {
	for version, values := range keptValues(f) {
		for _, k := range values {
			for format := range k.Files {
				if file := k.file(format); len(file) < 300 && (version == "values-3.13" || format == "protocol 0") && !slices.Contains([]string{"joblib zlib", "joblib gzip", "joblib bz2"}, format) {
					f.Add(file)
				}
			}
		}
	}
	field := "\x80\x04cnumpy.core.multiarray\n_reconstruct\n)R(K\x01)cnumpy\ndtype\n\x8c\x02%s\x85R(K\x03\x8c\x01|N\x8c\x01x\x85}\x8c\x01xcnumpy\ndtype\n\x8c\x02i4\x85RK\x00\x86sK\x08K\x01K\x00tb\x89%stb."
	f.Add(fmt.Appendf(nil, field, "O8", "]Na"))
	f.Add(fmt.Appendf(nil, field, "V8", "C\x08abcdefgh"))
	f.Fuzz(func(t *testing.T, data []byte) {
		v, err := Decode(data, len(data), ours)
		if err != nil {
			if !strings.HasPrefix(err.Error(), "pickle: byte ") {
				t.Fatalf("another error: %v", err)
			}
			return
		}
		// No accessor may panic either.
		Int(v)
		Float(v)
		Items(v)
		_ = Kind(v)
		walk(v, map[any]bool{}, func(a *Array) {
			elements(a)
			_, _ = a.Strings()
			for _, f := range a.Type.Fields {
				if column, err := a.Field(f.Name); err == nil {
					elements(column)
					_, _ = column.Strings()
				}
			}
		})
	})
}

// walk visits each value inside v once, and calls see with every array.
func walk(v any, seen map[any]bool, see func(*Array)) {
	var parts []any
	switch v := v.(type) {
	case Tuple:
		parts = v
	case *List, *Dict, *Object, *Array:
		if seen[v] || len(seen) > 10000 {
			return
		}
		seen[v] = true
		switch v := v.(type) {
		case *List:
			parts = v.Items
		case *Dict:
			parts = append(slices.Clone(v.Keys), v.Values...)
		case *Object:
			parts = append(append(Tuple{v.State}, v.Args...), v.Items...)
			if v.Entries != nil {
				parts = append(parts, v.Entries)
			}
		case *Array:
			see(v)
			parts = v.Objects
		}
	}
	for _, p := range parts {
		walk(p, seen, see)
	}
}

func ExampleDecode() {
	file := "\x80\x04}\x94(\x8c\x05depth\x94K\x03\x8c\x04rate\x94G?\xb9\x99\x99\x99\x99\x99\x9au."
	v, err := Decode([]byte(file), len(file), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	d := v.(*Dict)
	fmt.Println(d.Get("depth"), d.Get("rate"))
	_, err = Decode([]byte("cos\nsystem\n(S'rm -r /'\ntR."), 27, nil)
	fmt.Println(err)
	// Output:
	// 3 0.1
	// pickle: byte 0: os.system is not among the supported classes and functions
}

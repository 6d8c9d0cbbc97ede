package csvfile

import "bytes"

// signatures are the beginnings of files that are often mistaken for text, and what to do.
var signatures = []struct{ start, what string }{
	{"BZh", "the file is compressed by bzip2: decompress it first"},
	{"\xfd7zXZ\x00", "the file is compressed by xz: decompress it first"},
	{"\x28\xb5\x2f\xfd", "the file is compressed by Zstandard: decompress it first"},
	{"PK\x03\x04", "the file is a ZIP archive or an Excel workbook: unpack it, or save the sheet as CSV"},
	{"\xd0\xcf\x11\xe0", "the file is an Excel workbook: save the sheet as CSV"},
	{"version https://git-lfs", "the file is a pointer of Git LFS, not the data: fetch them with git lfs pull"},
	{"PAR1", "the file is a Parquet file: open it with package objective/parquet, or save it as CSV"},
	{"\xff\xfe", "the text is UTF-16: save it as UTF-8"},
	{"\xfe\xff", "the text is UTF-16: save it as UTF-8"},
}

// recognize says what a file that begins with start is, and what to do. It returns "" for
// text in UTF-8 or an 8-bit encoding.
func recognize(start []byte) string {
	for _, s := range signatures {
		if bytes.HasPrefix(start, []byte(s.start)) {
			return s.what
		}
	}
	var zeros [2]int // at even and at odd positions
	control := false
	for i, b := range start {
		switch {
		case b == 0:
			zeros[i%2]++
		case b < ' ' && (b < '\t' || b > '\r') && b != 0x1b:
			control = true
		}
	}
	// The text of a header is mostly ASCII, so in UTF-16 every other byte is 0.
	half := len(start) / 2
	switch {
	case !control && (zeros[0] > half/2 && zeros[1] == 0 || zeros[1] > half/2 && zeros[0] == 0):
		return "the text is UTF-16: save it as UTF-8"
	case control || zeros != [2]int{}:
		return "the file is binary: want text, comma-separated values in UTF-8"
	case bytes.IndexByte(start, '\r') >= 0 && bytes.IndexByte(start, '\n') < 0:
		return "the lines end with carriage returns, as on old Macs: save it with line feeds"
	}
	return ""
}

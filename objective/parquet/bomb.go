package parquet

import (
	"bufio"
	"errors"
	"fmt"
	"io"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"
)

// What unpacks to more than bombBytes, and to more than bombRatio times its own size, is taken for a bomb, as
// for files that are compressed by gzip. A page may have at most mostValues values: programs write at most a
// million, and a run of equal ones takes a few bytes.
const (
	bombBytes  = 32 << 20
	bombRatio  = 200
	mostValues = 1 << 24
)

// checkPages refuses pages that claim to unpack to much more than their size. The library would allocate what
// they claim before it unpacks them.
func checkPages(r io.ReaderAt, f *parquet.File) error {
	for _, group := range f.Metadata().RowGroups {
		for _, c := range group.Columns {
			from, left := c.MetaData.DataPageOffset, c.MetaData.TotalCompressedSize
			if at := c.MetaData.DictionaryPageOffset; at > 0 && at < from {
				from = at
			}
			if from < 0 || left < 0 {
				return errors.New("a column has a negative place")
			}
			for left > 0 {
				size, err := checkPage(io.NewSectionReader(r, from, left))
				if err != nil {
					return err
				}
				from, left = from+size, left-size
			}
		}
	}
	return nil
}

// checkPage checks the page at the beginning of r, and returns its size with its header.
func checkPage(r *io.SectionReader) (size int64, err error) {
	buffered := bufio.NewReaderSize(r, 512)
	var h format.PageHeader
	if err := thrift.NewDecoder(new(thrift.CompactProtocol).NewReader(buffered)).Decode(&h); err != nil {
		return 0, fmt.Errorf("a page: %w", err)
	}
	at, err := r.Seek(0, io.SeekCurrent)
	if err != nil {
		return 0, err
	}
	packed, plain := int64(h.CompressedPageSize), int64(h.UncompressedPageSize)
	values := max(h.DictionaryPageHeader.V.NumValues, h.DataPageHeader.V.NumValues, h.DataPageHeaderV2.V.NumValues)
	switch {
	case packed < 0 || plain < 0 || values < 0:
		return 0, errors.New("a page has a negative size")
	case plain > bombBytes && plain > bombRatio*packed:
		return 0, fmt.Errorf("a page of %d bytes claims to unpack to %d: more than %d times its size", packed, plain, bombRatio)
	case values > mostValues:
		return 0, fmt.Errorf("a page claims to have %d values: more than %d", values, mostValues)
	}
	return at - int64(buffered.Buffered()) + packed, nil
}

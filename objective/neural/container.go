package neural

import (
	"bufio"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"io"
	"math"

	"github.com/attune-hpo/attune/objective/forecast"
)

// A file of this package is a line of JSON, which holds the count and the CRC-32 of the
// numbers, followed by the numbers in single precision, little-endian. See
// doc/format/network.md.
type container struct {
	Format  string          `json:"format"`
	Version int             `json:"version"`
	Numbers int             `json:"numbers"`
	CRC     string          `json:"crc32"` // of the numbers, IEEE, in hexadecimal
	Content json.RawMessage `json:"content"`
}

const (
	maxHeader  = 1 << 26
	maxNumbers = 1 << 31
)

func writeContainer(w io.Writer, format string, content any, numbers ...[]float32) error {
	text, err := json.Marshal(content)
	if err != nil {
		return err
	}
	c := container{Format: format, Version: 1, Content: text}
	var body []byte
	for _, x := range numbers {
		c.Numbers += len(x)
		for _, v := range x {
			body = binary.LittleEndian.AppendUint32(body, math.Float32bits(v))
		}
	}
	c.CRC = hex.EncodeToString(binary.BigEndian.AppendUint32(nil, crc32.ChecksumIEEE(body)))
	head, err := json.Marshal(c)
	if err != nil {
		return err
	}
	if _, err := w.Write(append(head, '\n')); err != nil {
		return err
	}
	_, err = w.Write(body)
	return err
}

// readContainer reads a file of writeContainer. All errors except those of r itself wrap
// [forecast.ErrFormat]. It may read past the end.
func readContainer(r io.Reader, format string, content any) ([]float32, error) {
	bad := func(why string, args ...any) error {
		return fmt.Errorf("%w: %w", forecast.ErrFormat, fmt.Errorf(why, args...))
	}
	buf := bufio.NewReader(r)
	var head []byte
	for {
		part, err := buf.ReadSlice('\n')
		head = append(head, part...)
		if err == nil {
			break
		}
		if err == io.EOF {
			return nil, bad("it ends within its first line")
		}
		if err != bufio.ErrBufferFull {
			return nil, err
		}
		if len(head) > maxHeader {
			return nil, bad("its first line is too long")
		}
	}
	var c container
	if err := json.Unmarshal(head, &c); err != nil {
		return nil, bad("its first line: %w", err)
	}
	if c.Format != format || c.Version != 1 || c.Numbers < 0 || c.Numbers > maxNumbers {
		return nil, bad("format %q, version %d, %d numbers", c.Format, c.Version, c.Numbers)
	}
	body, err := io.ReadAll(io.LimitReader(buf, 4*int64(c.Numbers)))
	if err != nil {
		return nil, err
	}
	if len(body) < 4*c.Numbers {
		return nil, bad("it is truncated: the first line is followed by %d bytes, want %d", len(body), 4*c.Numbers)
	}
	if sum := hex.EncodeToString(binary.BigEndian.AppendUint32(nil, crc32.ChecksumIEEE(body))); sum != c.CRC {
		return nil, bad("it is damaged: the checksum of its numbers is %s, not %s", sum, c.CRC)
	}
	if err := json.Unmarshal(c.Content, content); err != nil {
		return nil, bad("its content: %w", err)
	}
	numbers := make([]float32, c.Numbers)
	for i := range numbers {
		numbers[i] = math.Float32frombits(binary.LittleEndian.Uint32(body[4*i:]))
	}
	return numbers, nil
}

// A savedView is the JSON of a view.
type savedView struct {
	Window    int                 `json:"window"`
	Horizon   int                 `json:"horizon"`
	KeepLevel bool                `json:"keep_level"`
	Transform string              `json:"transform"` // as forecast.ParseTransform reads it
	Frequency forecast.Frequency  `json:"frequency"`
	Past      []string            `json:"past,omitempty"`
	Known     []string            `json:"known,omitempty"` // the last ones are the calendar's
	Calendar  []forecast.Calendar `json:"calendar,omitempty"`
	Columns   []scale             `json:"columns,omitempty"` // of the past columns, then the known ones
	Series    []savedSeries       `json:"series"`
}

type savedSeries struct {
	ID        string          `json:"id"`
	Transform json.RawMessage `json:"transform"` // fitted
	Scale     scale           `json:"scale"`     // of the transformed values
}

func (v *view) save() (savedView, error) {
	s := savedView{v.window, v.horizon, v.keepLevel, v.transform.String(), v.freq, v.past, v.known, v.calendar, v.columns, nil}
	for i, id := range v.ids {
		text, err := forecast.MarshalFitted(v.fitted[i])
		if err != nil {
			return s, err
		}
		s.Series = append(s.Series, savedSeries{id, text, v.scales[i]})
	}
	return s, nil
}

func (s savedView) load() (*view, error) {
	v := &view{window: s.Window, horizon: s.Horizon, keepLevel: s.KeepLevel, freq: s.Frequency, past: s.Past, known: s.Known, calendar: s.Calendar, columns: s.Columns}
	scales := append([]scale{}, s.Columns...)
	var err error
	if v.transform, err = forecast.ParseTransform(s.Transform); err != nil {
		return nil, fmt.Errorf("%w: %w", forecast.ErrFormat, err)
	}
	for _, series := range s.Series {
		f, err := forecast.UnmarshalFitted(series.Transform)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", forecast.ErrFormat, err)
		}
		v.add(series.ID, f, series.Scale)
	}
	ok := checkCalendar(v.calendar) == nil && len(v.calendar) <= len(v.known) && v.freq.Valid() && v.window >= 1 && v.window <= maxWindow && v.horizon >= 1 && v.horizon <= maxHorizon && len(v.columns) == len(v.past)+len(v.known)
	for _, sc := range append(scales, v.scales...) {
		ok = ok && sc.Deviation > 0
	}
	if !ok {
		return nil, fmt.Errorf("%w: window %d, horizon %d, %d scales of %d columns, frequency %v",
			forecast.ErrFormat, v.window, v.horizon, len(v.columns), len(v.past)+len(v.known), v.freq)
	}
	return v, nil
}

package main

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/attune-hpo/attune/internal/csvfile"
	"github.com/attune-hpo/attune/objective/forecast"
)

// A source says where series are and how they are read; studies keep it.
type source struct {
	File string `json:"file"` // absolute
	forecast.CSV
}

// flags adds those that say how data are read.
func (s *source) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&s.File, "data", "", "CSV `file` of the series, with a header")
	f.StringVar(&s.Target, "target", "", "`column` to forecast")
	f.StringVar(&s.Time, "time", "", "`column` of the time stamps (default: the one that has such)")
	f.StringVar(&s.ID, "id", "", "`column` that tells several series apart")
	f.StringSliceVar(&s.Past, "past", nil, "`columns` to learn from that are known as late as the target")
	f.StringSliceVar(&s.Known, "known", nil, "`columns` to learn from that are known in advance, as holidays are")
	f.Var(text{&s.Freq}, "freq", "`step` of the series: month, 15 minutes, W, ... (default: found in the stamps)")
	f.StringVar(&s.Layout, "layout", "", "how stamps are written, as the 2nd of January 2006: 02/01/2006 (default: found in the stamps)")
	f.StringVar((*string)(&s.Fill), "fill", "", "what missing values become: carry (the last before), interpolate, or keep (stay missing); default: an error")
	f.BoolVar(&s.Sort, "sort", false, "rows may come in any order of time")
	complete(cmd, "fill", "carry", "interpolate", "keep")
}

// text makes a flag of a value that reads and writes itself as text.
type text struct{ *forecast.Frequency }

func (t text) Set(s string) error { return t.UnmarshalText([]byte(s)) }
func (t text) Type() string       { return "frequency" }

// read settles what the flags leave open and reads the series.
func (s *source) read() (forecast.Frame, error) {
	fills := []string{"", string(forecast.Carry), string(forecast.Interpolate), string(forecast.Keep)}
	if !slices.Contains(fills, string(s.Fill)) {
		return nil, oneOf("fill", string(s.Fill), fills[1:])
	}
	if err := s.look(); err != nil {
		return nil, fmt.Errorf("%s: %w", s.File, err)
	}
	frame, err := s.ReadFile(s.File)
	if err != nil && errors.Is(err, forecast.ErrDuplicate) && s.ID == "" {
		return nil, fmt.Errorf("%w: if there are several series, name the column that tells them apart with --id", err)
	}
	if err != nil {
		return nil, err
	}
	s.Freq = frame[0].Freq
	return frame, nil
}

// look finds the column of the time stamps, and how they are written, in the first rows of
// the file.
func (s *source) look() error {
	f, err := regular(s.File)
	if err != nil {
		return err
	}
	defer f.Close()
	in, err := csvfile.NewReader(f, s.Comma)
	if err != nil {
		return err
	}
	var rows [][]string
	for len(rows) < 100 {
		row, err := in.Read()
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
		rows = append(rows, slices.Clone(row))
	}
	if s.Target == "" {
		return fmt.Errorf("which column is to be forecast? Say it with --target: there are %s", csvfile.Names(in.Header))
	}
	if s.Time == "" {
		if s.Time, err = s.stamps(in.Header, rows); err != nil {
			return err
		}
	}
	if k := slices.Index(in.Header, s.Time); s.Layout == "" && k >= 0 {
		s.Layout = forecast.RecognizeLayout(rows[0][k])
	}
	return nil
}

// stamps returns the one column whose values are time stamps, most of them at least: what
// is wrong with the others is said later. Bare numbers may be years, and much else: they
// count only where nothing else does, and if they ascend.
func (s *source) stamps(header []string, rows [][]string) (string, error) {
	var sure, maybe []string
	for k, name := range header {
		if name == s.Target || name == s.ID || slices.Contains(s.Past, name) || slices.Contains(s.Known, name) {
			continue
		}
		stamps, numbers, ascend, last := 0, 0, true, math.Inf(-1)
		for _, row := range rows {
			if forecast.RecognizeLayout(row[k]) != "" {
				stamps++
			}
			if x, err := strconv.ParseFloat(row[k], 64); err == nil {
				numbers++
				ascend = ascend && (x > last || s.ID != "" || s.Sort)
				last = x
			}
		}
		switch {
		case 2*stamps <= len(rows):
		case numbers == 0:
			sure = append(sure, name)
		case numbers == len(rows) && ascend:
			maybe = append(maybe, name)
		}
	}
	if len(sure) == 0 {
		sure = maybe
	}
	switch len(sure) {
	case 1:
		return sure[0], nil
	case 0:
		return "", fmt.Errorf("no column has time stamps that are recognised: name it with --time and, if need be, say how they are written with --layout: there are %s", csvfile.Names(header))
	}
	return "", fmt.Errorf("%s could be the time stamps: say which with --time", csvfile.Names(sure))
}

// stamp writes a time as the file has it.
func (s source) stamp(t time.Time) string {
	switch s.Layout {
	case "epoch":
		return strconv.FormatInt(t.Unix(), 10)
	case "epoch ms":
		return strconv.FormatInt(t.UnixMilli(), 10)
	case "2006Q1", "2006-Q1":
		return fmt.Sprintf("%d%s%d", t.Year(), strings.TrimSuffix(s.Layout[4:], "1"), (t.Month()+2)/3)
	case "":
		return t.Format(time.RFC3339)
	}
	return t.Format(s.Layout)
}

// span says which rows a frame has: "144 rows, 1949-01 to 1960-12".
func (s source) span(f forecast.Frame) string {
	rows, start := 0, f[0].Start
	for _, x := range f {
		rows += x.Len()
		if x.Start.Before(start) {
			start = x.Start
		}
	}
	text := fmt.Sprintf("%d rows, %s to %s", rows, s.stamp(start), s.stamp(f.End()))
	if len(f) > 1 {
		text = fmt.Sprintf("%d series, %s", len(f), text)
	}
	return text
}

// fingerprint tells frames of different content apart.
func fingerprint(f forecast.Frame) string {
	h := sha256.New()
	numbers := func(ys []float64) {
		binary.Write(h, binary.LittleEndian, int64(len(ys)))
		binary.Write(h, binary.LittleEndian, ys)
	}
	for _, s := range f {
		fmt.Fprintf(h, "%q %d %s\n", s.ID, s.Start.UnixMilli(), s.Freq)
		numbers(s.Y)
		for _, c := range slices.Concat(s.Past, s.Known) {
			fmt.Fprintf(h, "%q\n", c.Name)
			numbers(c.Values)
		}
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

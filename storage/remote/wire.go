package remote

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/storage"
	"github.com/attune-hpo/attune/trial"
)

// The messages are described in doc/format/remote.md.

// errMessage reports bytes that are not a message.
var errMessage = errors.New("not a message")

// An encoder appends values to a message.
type encoder struct {
	b      []byte
	spaces map[*space.Axis]int // places of the spaces written so far, by their first axis
}

func (e *encoder) uint(n uint64) { e.b = binary.AppendUvarint(e.b, n) }
func (e *encoder) int(n int64)   { e.b = binary.AppendVarint(e.b, n) }
func (e *encoder) byte(b byte)   { e.b = append(e.b, b) }
func (e *encoder) count(n int)   { e.uint(uint64(n)) }
func (e *encoder) text(s string) { e.count(len(s)); e.b = append(e.b, s...) }
func (e *encoder) number(n int)  { e.int(int64(n)) }
func (e *encoder) float(x float64) {
	e.b = binary.LittleEndian.AppendUint64(e.b, math.Float64bits(x))
}

func (e *encoder) bool(b bool) {
	if b {
		e.byte(1)
	} else {
		e.byte(0)
	}
}

// time writes a moment in whole microseconds, as records have it.
func (e *encoder) time(t time.Time) {
	e.bool(!t.IsZero())
	if !t.IsZero() {
		e.int(t.UnixMicro())
	}
}

func (e *encoder) floats(xs []float64) {
	e.count(len(xs))
	for _, x := range xs {
		e.float(x)
	}
}

func (e *encoder) numbers(ns []int) {
	e.count(len(ns))
	for _, n := range ns {
		e.number(n)
	}
}

func (e *encoder) settings(ss []space.Setting) {
	e.count(len(ss))
	for _, s := range ss {
		e.text(s.Name)
		e.text(string(s.Value))
	}
}

func (e *encoder) attrs(as trial.Attrs) {
	e.count(len(as))
	for _, a := range as {
		e.text(a.Key)
		e.text(a.JSON)
	}
}

// space writes a space, or the place of an equal space that was written before. Finished trials share their spaces,
// which would otherwise make up most of a message.
func (e *encoder) space(s space.Space) {
	if len(s) == 0 {
		e.uint(0)
		return
	}
	// Spaces that begin at one axis may differ in length: one of a running trial grows.
	if at, ok := e.spaces[&s[0]]; ok && at>>32 == len(s) {
		e.uint(uint64(at & math.MaxUint32))
		return
	}
	if e.spaces == nil {
		e.spaces = map[*space.Axis]int{}
	}
	at := len(e.spaces) + 1
	e.spaces[&s[0]] = len(s)<<32 | at
	e.uint(uint64(at))
	e.count(len(s))
	for _, a := range s {
		e.text(a.Name)
		e.text(a.Distribution.String())
	}
}

func (e *encoder) header(h trial.Header) {
	e.text(h.Name)
	e.count(len(h.Directions))
	for _, d := range h.Directions {
		e.byte(byte(d))
	}
	e.uint(h.Seed)
	e.attrs(h.Attrs)
	e.attrs(h.Notes)
}

func (e *encoder) record(r trial.Record) {
	e.number(r.Number)
	e.byte(byte(r.State))
	e.space(r.Params.Space)
	e.floats(r.Params.Point)
	e.settings(r.Proposed)
	e.settings(r.Fixed)
	e.count(len(r.Reports))
	for _, p := range r.Reports {
		e.number(p.Step)
		e.float(p.Value)
	}
	e.floats(r.Values)
	e.count(len(r.Constraints))
	for _, c := range r.Constraints {
		e.text(c.Name)
		e.float(c.Value)
	}
	e.attrs(r.Attrs)
	e.attrs(r.Notes)
	e.text(r.Err)
	e.time(r.Started)
	e.time(r.Finished)
}

// The kinds of changes.
const (
	proposed = iota
	suggested
	reported
	constrained
	annotated
	noted
	finished
)

// changes writes canonical changes.
func (e *encoder) changes(cs []trial.Change) {
	e.count(len(cs))
	for _, c := range cs {
		switch c := c.(type) {
		case trial.Proposed:
			e.byte(proposed)
			e.settings(c)
		case trial.Suggested:
			e.byte(suggested)
			e.space(c.Space)
			e.floats(c.Point)
		case trial.Reported:
			e.byte(reported)
			e.number(c.Step)
			e.float(c.Value)
		case trial.Constrained:
			e.byte(constrained)
			e.text(c.Name)
			e.float(c.Value)
		case trial.Annotated:
			e.byte(annotated)
			e.text(c.Key)
			e.text(c.JSON)
		case trial.Noted:
			e.byte(noted)
			e.text(c.Key)
			e.text(c.JSON)
		case trial.Finished:
			e.byte(finished)
			e.byte(byte(c.State))
			e.floats(c.Values)
			e.text(c.Err)
			e.time(c.At)
		}
	}
}

// A decoder reads what an encoder has written. The first error sticks; after it, all values are
// zero.
type decoder struct {
	b      []byte
	spaces []space.Space
	err    error
}

func (d *decoder) fail(format string, args ...any) {
	if d.err == nil {
		d.err = fmt.Errorf("%w: %s", errMessage, fmt.Sprintf(format, args...))
	}
	d.b = nil
}

func (d *decoder) uint() uint64 {
	n, size := binary.Uvarint(d.b)
	if size <= 0 {
		d.fail("it ends early")
		return 0
	}
	d.b = d.b[size:]
	return n
}

func (d *decoder) int() int64 {
	n, size := binary.Varint(d.b)
	if size <= 0 {
		d.fail("it ends early")
		return 0
	}
	d.b = d.b[size:]
	return n
}

func (d *decoder) number() int { return int(d.int()) }

func (d *decoder) byte() byte {
	if len(d.b) == 0 {
		d.fail("it ends early")
		return 0
	}
	b := d.b[0]
	d.b = d.b[1:]
	return b
}

func (d *decoder) bool() bool { return d.byte() != 0 }

// count reads the number of values that follow, each of at least size bytes. It fails if the message is too short for
// them.
func (d *decoder) count(size int) int {
	n := d.uint()
	if n > uint64(len(d.b)/size) {
		d.fail("it ends early")
		return 0
	}
	return int(n)
}

func (d *decoder) text() string {
	n := d.count(1)
	s := string(d.b[:n])
	d.b = d.b[n:]
	return s
}

func (d *decoder) float() float64 {
	if len(d.b) < 8 {
		d.fail("it ends early")
		return 0
	}
	x := math.Float64frombits(binary.LittleEndian.Uint64(d.b))
	d.b = d.b[8:]
	return x
}

func (d *decoder) time() time.Time {
	if !d.bool() {
		return time.Time{}
	}
	return time.UnixMicro(d.int()).UTC()
}

// list reads a list whose elements have at least size bytes; nil if it is empty.
func list[E any](d *decoder, size int, read func() E) []E {
	n := d.count(size)
	if n == 0 {
		return nil
	}
	out := make([]E, n)
	for i := range out {
		out[i] = read()
	}
	return out
}

func (d *decoder) floats() []float64 { return list(d, 8, d.float) }
func (d *decoder) numbers() []int    { return list(d, 1, d.number) }

func (d *decoder) settings() []space.Setting {
	return list(d, 2, func() space.Setting { return space.Setting{Name: d.text(), Value: space.Literal(d.text())} })
}

func (d *decoder) attrs() trial.Attrs {
	return list(d, 2, func() trial.Attr { return trial.Attr{Key: d.text(), JSON: d.text()} })
}

func (d *decoder) space() space.Space {
	switch at := d.uint(); {
	case at == 0:
		return nil
	case at <= uint64(len(d.spaces)):
		return d.spaces[at-1]
	case at > uint64(len(d.spaces))+1:
		d.fail("space %d before space %d", at, len(d.spaces)+1)
		return nil
	}
	s := list(d, 2, func() space.Axis {
		name, text := d.text(), d.text()
		dist, err := space.ParseDistribution(text)
		if err != nil && d.err == nil {
			d.fail("parameter %.60q: %v", name, err)
		}
		return space.Axis{Name: name, Distribution: dist}
	})
	if d.err != nil {
		return nil
	}
	d.spaces = append(d.spaces, s)
	return s
}

func (d *decoder) header() trial.Header {
	return trial.Header{
		Name:       d.text(),
		Directions: list(d, 1, func() trial.Direction { return trial.Direction(d.byte()) }),
		Seed:       d.uint(),
		Attrs:      d.attrs(),
		Notes:      d.attrs(),
	}
}

func (d *decoder) record() trial.Record {
	r := trial.Record{Number: d.number(), State: trial.State(d.byte())}
	r.Params.Space = d.space()
	r.Params.Point = d.floats()
	r.Proposed = d.settings()
	r.Fixed = d.settings()
	r.Reports = list(d, 9, func() trial.Report { return trial.Report{Step: d.number(), Value: d.float()} })
	r.Values = d.floats()
	r.Constraints = list(d, 9, func() trial.Constraint { return trial.Constraint{Name: d.text(), Value: d.float()} })
	r.Attrs = d.attrs()
	r.Notes = d.attrs()
	r.Err = d.text()
	r.Started = d.time()
	r.Finished = d.time()
	return r
}

func (d *decoder) changes() []trial.Change {
	return list(d, 2, func() trial.Change {
		switch kind := d.byte(); kind {
		case proposed:
			return trial.Proposed(d.settings())
		case suggested:
			return trial.Suggested{Space: d.space(), Point: d.floats()}
		case reported:
			return trial.Reported{Step: d.number(), Value: d.float()}
		case constrained:
			return trial.Constrained{Name: d.text(), Value: d.float()}
		case annotated:
			return trial.Annotated{Key: d.text(), JSON: d.text()}
		case noted:
			return trial.Noted{Key: d.text(), JSON: d.text()}
		case finished:
			return trial.Finished{State: trial.State(d.byte()), Values: d.floats(), Err: d.text(), At: d.time()}
		default:
			d.fail("a change of kind %d", kind)
			return nil
		}
	})
}

// summary writes a summary without Took.
func (e *encoder) summary(s trial.Summary) {
	e.header(s.Header)
	for _, n := range []int{s.Complete, s.Pruned, s.Failed, s.Interrupted, s.Running, s.Waiting} {
		e.number(n)
	}
	e.bool(s.Best != nil)
	if s.Best != nil {
		e.record(*s.Best)
	}
	e.time(s.Begun)
	e.time(s.Latest)
}

func (d *decoder) summary() trial.Summary {
	s := trial.Summary{Header: d.header(), Complete: d.number(), Pruned: d.number(), Failed: d.number(), Interrupted: d.number(), Running: d.number(), Waiting: d.number()}
	if d.bool() {
		r := d.record()
		s.Best = &r
	}
	s.Begun, s.Latest = d.time(), d.time()
	return s
}

func (e *encoder) records(rs []trial.Record) {
	e.count(len(rs))
	for _, r := range rs {
		e.record(r)
	}
}

// end returns the error of a message that is read to its end.
func (d *decoder) end() error {
	if d.err == nil && len(d.b) > 0 {
		d.fail("%d bytes follow it", len(d.b))
	}
	return d.err
}

// An update is a trial, and the server's cursor after it.
func (e *encoder) update(u storage.Update) {
	e.int(int64(u.Cursor))
	e.record(u.Trial)
}

func (d *decoder) update() storage.Update {
	return storage.Update{Cursor: storage.Cursor(d.int()), Trial: d.record()}
}

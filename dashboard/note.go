package dashboard

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/attune-hpo/attune/storage"
	"github.com/attune-hpo/attune/study"
	"github.com/attune-hpo/attune/trial"
)

// A note is a text that people wrote about a study or a trial. It has the form of
// optuna-dashboard's notes, which keeps those of trials with the study, too.
type note struct {
	Text    string
	Version int // counts changes, from 1; 0 if there never was a note
}

// notePiece is the maximum length of one piece of a note, in characters, as optuna-dashboard
// has it.
const notePiece = 2045

// mostNote is the maximum length of a note, in bytes.
const mostNote = 1 << 20

// noteOwner is the prefix of the keys of a note: that of the study, or of the trial in a row.
type noteOwner string

const ofStudy noteOwner = "dashboard:"

func ofTrial(row int64) noteOwner { return noteOwner(fmt.Sprintf("dashboard:%d:", row)) }

func (o noteOwner) versionKey() string    { return string(o) + "note_ver" }
func (o noteOwner) pieceKey(i int) string { return string(o) + "note_str:" + strconv.Itoa(i) }

// noteIn returns the note among the notes of a study.
func noteIn(notes trial.Attrs, o noteOwner) note {
	var n note
	if a, ok := notes.Get(o.versionKey()); !ok || a.Decode(&n.Version) != nil {
		return note{}
	}
	var b strings.Builder
	for i := 0; ; i++ {
		var piece string
		a, ok := notes.Get(o.pieceKey(i))
		if !ok || a.Decode(&piece) != nil {
			break
		}
		b.WriteString(piece)
		if utf8.RuneCountInString(piece) < notePiece { // what follows is of a longer note that another process wrote at the same moment
			break
		}
	}
	n.Text = b.String()
	return n
}

// attrs returns the notes of a study to set so that n is what old becomes. The last piece is shorter than the others,
// and empty if need be, so that a reader knows where the note ends.
func (n note) attrs(o noteOwner, old trial.Attrs) (trial.Attrs, error) {
	var out trial.Attrs
	set := func(key string, value any) error {
		a, err := trial.NewAttr(key, value)
		out = append(out, a)
		return err
	}
	if err := set(o.versionKey(), n.Version); err != nil {
		return nil, err
	}
	runes := []rune(n.Text)
	i := 0
	for whole := true; whole; i++ {
		k := min(notePiece, len(runes))
		if err := set(o.pieceKey(i), string(runes[:k])); err != nil {
			return nil, err
		}
		runes, whole = runes[k:], k == notePiece
	}
	for ; ; i++ { // what was longer before
		if _, ok := old.Get(o.pieceKey(i)); !ok {
			return out, nil
		}
		if err := set(o.pieceKey(i), ""); err != nil {
			return nil, err
		}
	}
}

// owner returns whose a note is: the study's or, if number is not negative, a trial's. Storages
// that are none of Optuna's have no rows, and the number stands in for one.
func (d *Dashboard) owner(ctx context.Context, name string, number int) (noteOwner, error) {
	if number < 0 {
		return ofStudy, nil
	}
	rower, ok := d.studies.store.(storage.Rower)
	if !ok {
		return ofTrial(int64(number)), nil
	}
	row, err := rower.Row(ctx, name, number)
	if errors.Is(err, errors.ErrUnsupported) {
		return ofTrial(int64(number)), nil
	}
	return ofTrial(row), err
}

// notes returns the notes of a study, which hold those of its trials.
func (d *Dashboard) notes(ctx context.Context, name string) (notes trial.Attrs, err error) {
	err = d.studies.use(ctx, name, func(v *study.View) (err error) {
		notes, err = v.Notes(ctx)
		return err
	})
	return notes, err
}

// errStale reports a note that changed while somebody wrote another one.
var errStale = errors.New("the note has changed meanwhile")

// setNote replaces the note of a version. It fails with errStale if the note has another one. Of two that are set at once
// through one Dashboard, the later is stale. Through two, in one or several processes, the one that is stored last replaces
// the other as a whole.
func (d *Dashboard) setNote(ctx context.Context, name string, number int, n note) error {
	o, err := d.owner(ctx, name, number)
	if err != nil {
		return err
	}
	d.noting.Lock()
	defer d.noting.Unlock()
	return d.writing(ctx, name, func(l storage.Ledger) error {
		h, err := l.Header(ctx)
		if err != nil {
			return err
		}
		if noteIn(h.Notes, o).Version != n.Version {
			return errStale
		}
		n.Version++
		attrs, err := n.attrs(o, h.Notes)
		if err != nil {
			return err
		}
		return l.Annotate(ctx, nil, attrs)
	})
}

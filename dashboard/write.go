package dashboard

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/storage"
	"github.com/attune-hpo/attune/study"
	"github.com/attune-hpo/attune/trial"
)

// writing calls f with the ledger of a study, to be changed.
func (d *Dashboard) writing(ctx context.Context, study string, f func(storage.Ledger) error) error {
	l, err := d.studies.store.Open(ctx, study)
	if err != nil {
		return err
	}
	return errors.Join(f(l), l.Close())
}

// newSecret returns what the forms of a dashboard hold, so that no other page can send them.
func newSecret() string { return rand.Text() }

// change makes a handler for forms that change a study. Another site's page can neither read
// the secret in a form nor send one in the name of whoever reads it.
func (d *Dashboard) change(f func(w http.ResponseWriter, r *http.Request) error) http.HandlerFunc {
	return d.page(func(w http.ResponseWriter, r *http.Request) error {
		if !d.config.Write {
			return problem{http.StatusForbidden, "This dashboard only reads. The command attune dashboard changes studies if it is started with --write."}
		}
		if err := http.NewCrossOriginProtection().Check(r); err != nil {
			return problem{http.StatusForbidden, "The form comes from another site."}
		}
		if err := r.ParseForm(); err != nil {
			return problem{http.StatusBadRequest, "The form cannot be read."}
		}
		if r.PostForm.Get("secret") == "" {
			return problem{http.StatusForbidden, "The form lacks the secret that the dashboard's pages send. Programs write to a study through attune serve."}
		}
		if subtle.ConstantTimeCompare([]byte(r.PostForm.Get("secret")), []byte(d.secret)) != 1 {
			return problem{http.StatusForbidden, "The form is from an earlier run of this dashboard: go back, load the page again, and send it once more."}
		}
		return f(w, r)
	})
}

// goTo sends the browser to a page. The address is relative, which [http.Redirect] would not
// leave it, as a proxy may have cut off a prefix.
func goTo(w http.ResponseWriter, address string) {
	w.Header().Set("Location", address)
	w.WriteHeader(http.StatusSeeOther)
}

// A noteForm is the part of a page with a note.
type noteForm struct {
	Study, Number string // Number is "" for the note of a study
	Secret        string // "" if notes cannot be changed
	Text          string
	Version       int
	Problem       string
}

// noteForm returns the note of a study or, if number is not negative, of a trial, from the notes
// of the study.
func (d *Dashboard) noteForm(ctx context.Context, study string, number int, notes trial.Attrs) (noteForm, error) {
	o, err := d.owner(ctx, study, number)
	n := noteIn(notes, o)
	f := noteForm{Study: study, Text: n.Text, Version: n.Version}
	if number >= 0 {
		f.Number = strconv.Itoa(number)
	}
	if d.config.Write {
		f.Secret = d.secret
	}
	return f, err
}

// setNoteForm saves the note of a form: ?name, ?number, ?version and ?text.
func (d *Dashboard) setNoteForm(w http.ResponseWriter, r *http.Request) error {
	study, back, number := r.PostForm.Get("name"), "study"+with(&url.URL{}, "name", r.PostForm.Get("name")), -1
	if text := r.PostForm.Get("number"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 0 {
			return problem{http.StatusBadRequest, fmt.Sprintf("Which trial? %q is not a number.", text)}
		}
		number, back = n, trialLink(study, n)
	}
	version, err := strconv.Atoi(r.PostForm.Get("version"))
	if err != nil {
		return problem{http.StatusBadRequest, "The form lacks the version of the note."}
	}
	text := strings.ReplaceAll(r.PostForm.Get("text"), "\r\n", "\n") // browsers send lines so
	if len(text) > mostNote || !utf8.ValidString(text) {
		return problem{http.StatusRequestEntityTooLarge, "A note is a text of at most one megabyte, in UTF-8."}
	}
	err = d.setNote(r.Context(), study, number, note{Text: text, Version: version})
	switch {
	case errors.Is(err, errStale):
		notes, err := d.notes(r.Context(), study)
		if err != nil {
			return err
		}
		f, err := d.noteForm(r.Context(), study, number, notes)
		if err != nil {
			return err
		}
		f.Problem, f.Text = f.Text, text
		d.answer(w, r, http.StatusConflict, "note.html", struct {
			Title, Back string
			Note        noteForm
		}{"The note has changed meanwhile", back, f})
		return nil
	case errors.Is(err, storage.ErrNoTrial):
		return problem{http.StatusNotFound, fmt.Sprintf("The study has no trial %d.", number)}
	case err != nil:
		return err
	}
	goTo(w, back+"#note")
	return nil
}

// An enqueuePage is a form for a new trial with the parameters of another one.
type enqueuePage struct {
	Title, Study, StudyLink, TrialLink string
	Secret                             string
	Number                             int
	Inputs                             []input
	Sure                               bool // everything is in order: ask whether to write it
	Changed                            int  // parameters that differ from those of the trial
}

// An input is a parameter in a form.
type input struct {
	Name, Value, About, Problem string
	Choices                     []string // nil for a number; a Value is then the number of a choice, or ""
	Was                         string   // what it is in the other trial, if that differs
	Shown                       string
}

// enqueue asks for a new trial with the parameters of the trial ?number of the study ?name. A
// form is checked first and shown once more; the trial is written when the second form comes
// back.
func (d *Dashboard) enqueue(w http.ResponseWriter, r *http.Request) error {
	if !d.config.Write {
		return problem{http.StatusForbidden, "This dashboard only reads. The command attune dashboard changes studies if it is started with --write."}
	}
	name, number := r.FormValue("name"), r.FormValue("number")
	x, err := d.index(r.Context(), name)
	if err != nil {
		return err
	}
	t, err := trialOf(x, number)
	if err != nil {
		return err
	}
	p := enqueuePage{Title: "Enqueue a trial", Study: name, StudyLink: "study" + with(&url.URL{}, "name", name), TrialLink: trialLink(name, t.Number),
		Number: t.Number, Secret: d.secret}
	sent := r.Method == http.MethodPost
	var settings space.Settings
	p.Sure = sent
	for i, a := range t.Params.Space {
		in := inputOf(a, t.Params.Point[i])
		if sent {
			was := in.Shown
			set, ok, err := in.take(a, r.PostForm.Get("p"+strconv.Itoa(i)))
			if err != nil {
				in.Problem, p.Sure = said(err), false
			}
			if ok {
				settings = append(settings, set)
			}
			if in.Shown != was {
				in.Was = was
				p.Changed++
			}
		}
		p.Inputs = append(p.Inputs, in)
	}
	if p.Sure {
		broken, err := d.broken(r.Context(), name, settings)
		if err != nil {
			return err
		}
		for _, c := range broken {
			for i := range p.Inputs {
				if slices.Contains(c.Names(), p.Inputs[i].Name) {
					p.Inputs[i].Problem, p.Sure = fmt.Sprintf("a trial must satisfy %v", c), false
				}
			}
		}
	}
	if !sent || !p.Sure || r.PostForm.Get("sure") == "" || r.PostForm.Has("edit") {
		p.Sure = p.Sure && !r.PostForm.Has("edit")
		d.execute(w, r, "enqueue.html", p)
		return nil
	}
	var numbers []int
	err = d.writing(r.Context(), name, func(l storage.Ledger) (err error) {
		numbers, err = l.Add(r.Context(), trial.Record{State: trial.Waiting, Fixed: settings})
		return err
	})
	if err != nil {
		return err
	}
	goTo(w, trialLink(name, numbers[0]))
	return nil
}

// broken returns the constraints of a study that settings do not meet, as far as the study
// says which it was created with.
func (d *Dashboard) broken(ctx context.Context, name string, settings space.Settings) (broken []space.Constraint, err error) {
	notes, err := d.notes(ctx, name)
	if err != nil {
		return nil, err
	}
	list, ok := notes.Get(study.ConstraintsKey)
	var all []string
	if !ok || json.Unmarshal([]byte(list.JSON), &all) != nil {
		return nil, nil
	}
	for _, text := range all {
		if c, err := space.ParseConstraint(text); err == nil && !c.Holds(settings) {
			broken = append(broken, c)
		}
	}
	return broken, nil
}

// inputOf returns the input for a parameter, with the value that a trial has.
func inputOf(a space.Axis, x float64) input {
	l := a.Distribution.Decode(x)
	in := input{Name: a.Name, Value: l.String(), Shown: shown(l), About: space.Describe(a.Distribution)}
	if d, ok := a.Distribution.(*space.CategoricalDistribution); ok {
		in.Value = strconv.Itoa(slices.Index(d.Choices, l))
		for _, c := range d.Choices {
			in.Choices = append(in.Choices, c.String())
		}
	}
	return in
}

// take sets the input to what somebody sent, and returns it as a setting. It is not ok if the
// value is left to the sampler.
func (in *input) take(a space.Axis, sent string) (set space.Setting, ok bool, err error) {
	in.Value, in.Shown = strings.TrimSpace(sent), strings.TrimSpace(sent)
	if in.Value == "" {
		in.Shown = "sampled"
		return set, false, nil
	}
	var l space.Literal
	if d, ok := a.Distribution.(*space.CategoricalDistribution); ok {
		i, err := strconv.Atoi(in.Value)
		if err != nil || i < 0 || i >= len(d.Choices) {
			return set, false, fmt.Errorf("there is no such choice")
		}
		l = d.Choices[i]
	} else if l, err = space.ParseLiteral(in.Value); err != nil {
		l = space.Lit(in.Value) // which Encode refuses
	}
	if _, err := a.Distribution.Encode(l); err != nil {
		return set, false, err
	}
	in.Shown = shown(l)
	return space.Setting{Name: a.Name, Value: l}, true, nil
}

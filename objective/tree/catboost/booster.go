package catboost

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"

	"github.com/attune-hpo/attune/objective/tree"
	"github.com/attune-hpo/attune/objective/tree/engine"
	"github.com/attune-hpo/attune/objective/tree/internal/trainer"
)

// A booster is a training in a Python process.
type booster struct {
	worker   *worker
	folder   string // contains the data, and later the model
	outputs  int
	link     tree.LinkFunc
	settings trainer.Settings
	extra    map[string]string // the settings that come from Params.Extra
	watched  bool              // predictions are needed
	rounds   int
	sets     []set
	train    int // index among the sets; -1 if absent
	valid    int
	begun    bool // Python has received the training
	done     bool // Python has reported the end of the training
}

// A set is a set of rows whose predictions Python sends after each round.
type set struct {
	rows int
	raw  []float64 // of the last round, output by output
}

// Begin implements [trainer.Training]. It starts a Python, which sends predictions for
// the rows that are scored.
func (b *booster) Begin(train, valid engine.Dataset) error {
	label, err := trainer.Float32("label", train.Label)
	if err != nil {
		return err
	}
	weight, err := trainer.Float32("weight", train.Weight)
	if err != nil {
		return err
	}
	job := struct {
		Settings trainer.Settings `json:"settings"`
		Columns  int              `json:"columns"`
		Weighted bool             `json:"weighted"`
		Sets     [][2]string      `json:"sets"` // files of features and labels
	}{b.settings, len(train.Columns), train.Weight != nil, [][2]string{}}
	files := map[string][]float32{"train": features(train), "label": label, "weight": weight}
	b.train, b.valid = -1, -1
	if valid.Rows() > 0 {
		b.valid = len(b.sets)
		b.sets = append(b.sets, set{rows: valid.Rows()})
		job.Sets = append(job.Sets, [2]string{"valid", "zeros"}) // scores are computed here
		files["valid"], files["zeros"] = features(valid), make([]float32, valid.Rows())
	}
	if b.watched && valid.Label == nil {
		b.train = len(b.sets)
		b.sets = append(b.sets, set{rows: train.Rows()})
		job.Sets = append(job.Sets, [2]string{"train", "label"})
	}
	for name, values := range files {
		if err := b.write(name, values); err != nil {
			return fmt.Errorf("catboost: %w", err)
		}
	}
	text, err := json.Marshal(job)
	if err != nil {
		return fmt.Errorf("catboost: %w", err)
	}
	if err := os.WriteFile(filepath.Join(b.folder, "job.json"), text, 0o600); err != nil {
		return fmt.Errorf("catboost: %w", err)
	}
	b.begun = true
	b.worker.say(b.folder)
	return nil
}

// features returns the columns of d, one after another.
func features(d engine.Dataset) []float32 {
	values := make([]float32, 0, d.Rows()*len(d.Columns))
	for _, column := range d.Columns {
		for _, v := range column {
			values = append(values, float32(min(max(v, -math.MaxFloat32), math.MaxFloat32)))
		}
	}
	return values
}

func (b *booster) write(name string, values []float32) error {
	f, err := os.OpenFile(filepath.Join(b.folder, name), os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	w := bufio.NewWriterSize(f, 1<<16)
	var word [4]byte
	for _, v := range values {
		binary.LittleEndian.PutUint32(word[:], math.Float32bits(v))
		w.Write(word[:]) // Flush reports the error
	}
	if err := w.Flush(); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}

// Boost implements [trainer.Training].
func (b *booster) Boost() (rounds int, err error) {
	if b.done {
		return b.rounds, nil
	}
	if b.rounds > 0 {
		b.worker.say("go")
	}
	kind, err := b.worker.hear()
	if err != nil {
		return 0, err
	}
	switch kind {
	case 'I':
	case 'D': // nothing more to learn
		b.done = true
		if b.rounds == 0 {
			return 0, fmt.Errorf("catboost: train: it made no tree")
		}
		return b.rounds, nil
	default:
		return 0, b.failed(kind)
	}
	for i := range b.sets {
		raw := make([]byte, 8*b.sets[i].rows*b.outputs)
		if err := b.worker.read(raw); err != nil {
			return 0, err
		}
		b.sets[i].raw = make([]float64, len(raw)/8)
		for at := range b.sets[i].raw {
			b.sets[i].raw[at] = math.Float64frombits(binary.LittleEndian.Uint64(raw[8*at:]))
		}
	}
	b.rounds++
	return b.rounds, nil
}

// failed returns the error that Python reports. If nothing has been learnt yet, it is
// taken for an error in the settings.
func (b *booster) failed(kind byte) error {
	if kind != 'E' {
		return fmt.Errorf("catboost: train: Python says %q", kind)
	}
	text, err := b.worker.text()
	if err != nil {
		return err
	}
	b.done = true
	if b.rounds == 0 {
		return fmt.Errorf("catboost: begin: %w: %s", engine.ErrParams, text)
	}
	return fmt.Errorf("catboost: train: %s", text)
}

// Train implements [trainer.Training].
func (b *booster) Train() ([]float64, error) { return b.predictions(b.train) }

// Valid implements [trainer.Training].
func (b *booster) Valid() ([]float64, error) { return b.predictions(b.valid) }

func (b *booster) predictions(i int) ([]float64, error) {
	s := b.sets[i]
	byRow := make([]float64, len(s.raw))
	for k := range b.outputs {
		for i, v := range s.raw[k*s.rows : (k+1)*s.rows] {
			byRow[i*b.outputs+k] = v
		}
	}
	link := tree.Link{Func: b.link}
	for i := range s.rows {
		link.Apply(byRow[i*b.outputs : (i+1)*b.outputs])
	}
	return byRow, nil
}

// Model implements [trainer.Training]. It ends the training.
func (b *booster) Model(rounds int) (*tree.Model, error) {
	if err := b.end("keep"); err != nil {
		return nil, err
	}
	text, err := os.ReadFile(filepath.Join(b.folder, "model.json"))
	if err != nil {
		return nil, fmt.Errorf("catboost: save model: %w", err)
	}
	m, err := tree.ReadCatBoost(bytes.NewReader(text))
	if err != nil {
		return nil, fmt.Errorf("catboost: %w", err)
	}
	if m.Outputs != b.outputs || m.Link.Func != b.link {
		return nil, engine.BadParam("Extra", b.extra, fmt.Sprintf("settings for %d outputs a row and the link %v, as Loss has it", b.outputs, b.link))
	}
	m.Trees = slices.Clip(m.Trees[:len(m.Trees)/b.rounds*rounds])
	return m, nil
}

// end answers the last round, and waits until Python has finished.
func (b *booster) end(answer string) error {
	if b.done {
		return nil
	}
	b.worker.say(answer)
	kind, err := b.worker.hear()
	if err != nil {
		return err
	}
	if kind != 'D' {
		return b.failed(kind)
	}
	b.done = true
	return nil
}

// Free implements [trainer.Training]. It returns the Python for reuse, or kills it if it
// cannot end the training.
func (b *booster) Free() {
	if b.begun && !b.done && (b.rounds == 0 || b.end("drop") != nil) {
		b.worker.kill()
		return
	}
	b.worker.rest()
}

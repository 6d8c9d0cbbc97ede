package mlflow

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/attune-hpo/attune/trial"
)

// A Config says where to log studies.
type Config struct {
	// Client is the client of the tracking server. It is required; see [FromEnv].
	Client *Client
	// Experiment is the name of the experiment for the runs. It is created if it does not
	// exist. Default: "attune".
	Experiment string
	// Run is the name of the parent run. Default: the name of the study.
	Run string
	// Warn is called, on another goroutine, when a [Tracker] cannot send something: once each
	// time that the server becomes unavailable, and once for each trial that it refuses.
	// Default: none.
	Warn func(error)
}

// A Mirror is a study on a tracking server. It is safe for concurrent use.
type Mirror struct {
	client     *Client
	cfg        Config
	header     trial.Header
	experiment string

	mu     sync.Mutex   // held during a push
	parent string       // id of its run
	runs   map[int]*run // by number of trial
	stale  bool         // the server may have other runs than these
	seen   int          // number of finished trials, in order of finishing, that best covers
	best   *float64     // the best value among them
}

// A run is the state of a trial's run on the server.
type run struct {
	id     string
	parent string
	status string // set last; "" before anything was sent
	step   int    // the last reported step; -1 if there is none
}

// NewMirror finds a study on a tracking server, or else creates its parent run, and its
// experiment if necessary. It reads which trials the server has.
func NewMirror(ctx context.Context, cfg Config, h trial.Header) (*Mirror, error) {
	m := &Mirror{client: cfg.Client, cfg: cfg, header: h}
	if err := m.open(ctx); err != nil {
		return nil, pkg.Errorf("study %.60q: %w", h.Name, err)
	}
	return m, nil
}

func (m *Mirror) open(ctx context.Context) (err error) {
	if m.client == nil {
		return fmt.Errorf("there is no client: %w", setClient)
	}
	m.cfg.Experiment = cmp.Or(m.cfg.Experiment, "attune")
	if m.experiment, err = m.findExperiment(ctx); err != nil {
		return err
	}
	return m.load(ctx)
}

func (m *Mirror) findExperiment(ctx context.Context) (string, error) {
	var created struct {
		ID string `json:"experiment_id"`
	}
	err := m.client.call(ctx, "experiments/create", map[string]any{"name": m.cfg.Experiment}, &created)
	if err == nil {
		return created.ID, nil
	}
	var found struct {
		Experiment struct {
			ID    string `json:"experiment_id"`
			Stage string `json:"lifecycle_stage"`
		}
	}
	if is(err, "RESOURCE_ALREADY_EXISTS") {
		err = m.client.get(ctx, "experiments/get-by-name", url.Values{"experiment_name": {m.cfg.Experiment}}, &found)
	}
	if err != nil {
		return "", fmt.Errorf("experiment %q: %w", m.cfg.Experiment, err)
	}
	if found.Experiment.Stage == "deleted" {
		return "", fmt.Errorf("experiment %q is deleted: restore it, or use another name", m.cfg.Experiment)
	}
	return found.Experiment.ID, nil
}

// A foundRun is a run in a response of the server.
type foundRun struct {
	Info struct {
		ID       string `json:"run_id"`
		Status   string
		Artifact string `json:"artifact_uri"`
	}
	Data struct {
		Metrics []metric
		Tags    []tag
	}
}

func (r foundRun) tag(key string) string {
	for _, t := range r.Data.Tags {
		if t.Key == key {
			return t.Value
		}
	}
	return ""
}

// search calls each for the runs of the study with a role.
func (m *Mirror) search(ctx context.Context, role string, each func(foundRun)) error {
	filter := fmt.Sprintf("tags.`%s` = '%s' and tags.`%s` = '%s'", studyTag, identity(m.header), roleTag, role)
	for page := ""; ; {
		var answer struct {
			Runs []foundRun
			Next string `json:"next_page_token"`
		}
		err := m.client.call(ctx, "runs/search", map[string]any{
			"experiment_ids": []string{m.experiment}, "filter": filter, "max_results": 1000, "page_token": page,
		}, &answer)
		if err != nil {
			return err
		}
		for _, r := range answer.Runs {
			each(r)
		}
		if page = answer.Next; page == "" {
			return nil
		}
	}
}

// load reads the runs on the server, and creates the parent run if there is none.
func (m *Mirror) load(ctx context.Context) error {
	m.runs = map[int]*run{}
	var twice []string
	err := m.search(ctx, "trial", func(r foundRun) {
		n, err := strconv.Atoi(r.tag(trialTag))
		if err != nil || n < 0 {
			return
		}
		is := &run{id: r.Info.ID, parent: r.tag(parentTag), status: r.Info.Status, step: -1}
		for _, v := range r.Data.Metrics {
			if v.Key == reports {
				is.step = v.Step
			}
		}
		// A lost response may have left two runs of a trial.
		if old := m.runs[n]; old != nil {
			if old.id < is.id {
				old, is = is, old
			}
			twice = append(twice, old.id)
		}
		m.runs[n] = is
	})
	if err != nil {
		return err
	}
	for _, id := range twice {
		if err := m.client.call(ctx, "runs/delete", map[string]any{"run_id": id}, nil); err != nil {
			return err
		}
	}
	return m.agree(ctx)
}

type created struct{ Run foundRun }

// agree decides which run is the parent. Processes may have made several at the same time;
// the parent is the one with the lowest id. agree makes one if there is none, and moves the
// trials to the parent.
func (m *Mirror) agree(ctx context.Context) error {
	parents, err := m.parents(ctx)
	if err == nil && len(parents) == 0 {
		if err = m.create(ctx); err == nil {
			parents, err = m.parents(ctx) // another process may have made one, too
		}
	}
	if err != nil {
		return err
	}
	if len(parents) == 0 {
		return errors.New("the server does not find the run that it has just made")
	}
	old := m.parent
	m.parent = slices.Min(parents)
	for _, r := range m.runs {
		if r.parent == m.parent {
			continue
		}
		if err := m.client.call(ctx, "runs/set-tag", map[string]any{"run_id": r.id, "key": parentTag, "value": m.parent}, nil); err != nil {
			return err
		}
		r.parent = m.parent
	}
	if old != m.parent && slices.Contains(parents, old) {
		return m.client.call(ctx, "runs/delete", map[string]any{"run_id": old}, nil)
	}
	return nil
}

// parents returns the ids of the possible parent runs of the study.
func (m *Mirror) parents(ctx context.Context) (ids []string, err error) {
	err = m.search(ctx, "study", func(r foundRun) { ids = append(ids, r.Info.ID) })
	return ids, err
}

// create creates the parent run.
func (m *Mirror) create(ctx context.Context) error {
	var made created
	err := m.client.call(ctx, "runs/create", map[string]any{
		"experiment_id": m.experiment, "run_name": cut(cmp.Or(m.cfg.Run, m.header.Name), maxName),
		"start_time": millis(now()), "tags": studyTags(m.header),
	}, &made)
	if err == nil {
		m.parent = made.Run.Info.ID
	}
	return err
}

// Push sends what the server lacks of a study: each trial that has started, and the state of
// the study. It returns the number of trials sent. If the server refuses a trial, Push still
// sends the others, and the error names the trial. After an error, a second push sends the
// rest, in this process or another.
func (m *Mirror) Push(ctx context.Context, h trial.Snapshot) (sent int, err error) {
	done := m.push(ctx, h, h.Records())
	if err := done.err(); err != nil {
		return done.sent, pkg.Errorf("study %.60q: %d trials were not sent: %w", m.header.Name, len(done.left)+len(done.refused), err)
	}
	return done.sent, nil
}

// lacks reports whether the server lacks part of a trial.
func (m *Mirror) lacks(r trial.Record) bool {
	is := m.runs[r.Number]
	return r.State != trial.Waiting && (is == nil || is.status != status(r.State) || r.LastStep() > is.step && !r.State.Done())
}

// A result is the result of a push.
type result struct {
	sent    int            // number of trials
	left    []trial.Record // not sent because the server is unavailable
	refused []error        // errors of refused trials
	gone    error          // why the rest was not sent
}

func (r *result) err() error { return few(append(slices.Clip(r.refused), r.gone)) }

// senders is the number of trials sent at the same time.
const senders = 4

// push sends the given trials, if the server lacks them, and the state of the study.
func (m *Mirror) push(ctx context.Context, h trial.Snapshot, rs []trial.Record) (done result) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.stale {
		if err := m.load(ctx); err != nil {
			return result{left: rs, gone: err}
		}
		m.stale = false
	}
	rs = slices.DeleteFunc(slices.Clone(rs), func(r trial.Record) bool { return !m.lacks(r) })
	var mu sync.Mutex // guards done and m.runs
	one := func(r trial.Record) {
		mu.Lock()
		is, gone := m.runs[r.Number], done.gone != nil
		mu.Unlock()
		if is == nil {
			is = &run{step: -1}
		}
		err := errGone
		if !gone {
			err = m.send(ctx, r, is)
		}
		mu.Lock()
		defer mu.Unlock()
		if is.id != "" {
			m.runs[r.Number] = is
		}
		switch {
		case err == nil:
			done.sent++
		case refused(err):
			done.refused = append(done.refused, fmt.Errorf("trial %d: %w", r.Number, err))
		default:
			done.left = append(done.left, r)
			done.gone = cmp.Or(done.gone, err)
		}
	}
	todo := make(chan trial.Record)
	var all sync.WaitGroup
	for range min(senders, len(rs)) {
		all.Go(func() {
			for r := range todo {
				one(r)
			}
		})
	}
	for _, r := range rs {
		todo <- r
	}
	close(todo)
	all.Wait()
	if done.gone == nil {
		done.gone = m.conclude(ctx, h)
	}
	m.stale = done.gone != nil // the server may have created a run whose id was lost
	return done
}

var errGone = errors.New("the server is gone")

// few joins errors, but only the first ones if there are many.
func few(errs []error) error {
	errs = slices.DeleteFunc(errs, func(err error) bool { return err == nil })
	const most = 3
	if n := len(errs); n > most {
		errs = append(errs[:most:most], fmt.Errorf("and %d more", n-most))
	}
	return errors.Join(errs...)
}

// send updates the run of a trial.
func (m *Mirror) send(ctx context.Context, r trial.Record, is *run) error {
	if is.id == "" {
		var made created
		err := m.client.call(ctx, "runs/create", map[string]any{
			"experiment_id": m.experiment, "run_name": fmt.Sprintf("trial %d", r.Number), "start_time": millis(r.Started),
			"tags": []tag{{studyTag, identity(m.header)}, {roleTag, "trial"}, {trialTag, strconv.Itoa(r.Number)}, {parentTag, m.parent}},
		}, &made)
		if err != nil {
			return err
		}
		is.id, is.parent = made.Run.Info.ID, m.parent
	}
	b := content(m.header, r, is.step)
	b.Run = is.id
	for _, part := range b.parts() {
		if err := m.client.call(ctx, "runs/log-batch", part, nil); err != nil {
			return err
		}
	}
	is.step = max(is.step, r.LastStep())
	if r.State.Done() {
		err := m.client.call(ctx, "runs/update", map[string]any{"run_id": is.id, "status": status(r.State), "end_time": millis(r.Finished)}, nil)
		if err != nil {
			return err
		}
	}
	is.status = status(r.State)
	return nil
}

// conclude updates the parent run.
func (m *Mirror) conclude(ctx context.Context, h trial.Snapshot) error {
	if err := m.agree(ctx); err != nil {
		return err
	}
	rungs, best := climb(h, m.seen, m.best)
	for _, part := range (batch{Run: m.parent, Metrics: rungs, Tags: summary(h)}).parts() {
		if err := m.client.call(ctx, "runs/log-batch", part, nil); err != nil {
			return err
		}
	}
	m.seen, m.best = h.Len(), best
	update := map[string]any{"run_id": m.parent, "status": "RUNNING"}
	if len(h.Running()) == 0 {
		update["status"] = "FINISHED"
		if s := h.Summary(); !s.Latest.IsZero() {
			update["end_time"] = millis(s.Latest)
		}
	}
	return m.client.call(ctx, "runs/update", update, nil)
}

// Parent returns the id of the study's run.
func (m *Mirror) Parent() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.parent
}

// Page returns the address of the study's run in a browser.
func (m *Mirror) Page() string {
	return m.client.URL + "/#/experiments/" + m.experiment + "/runs/" + m.Parent()
}

// ErrNoRun reports a trial that has not been pushed.
var ErrNoRun = errors.New("the trial has no run")

// target returns the run of a trial, and the location of its artifacts.
func (m *Mirror) target(ctx context.Context, number int) (id, artifacts string, err error) {
	m.mu.Lock()
	is := m.runs[number]
	m.mu.Unlock()
	if is == nil {
		return "", "", fmt.Errorf("%w: push the study first", ErrNoRun)
	}
	var answer created
	err = m.client.get(ctx, "runs/get", url.Values{"run_id": {is.id}}, &answer)
	return is.id, answer.Run.Info.Artifact, err
}

// Attach stores the content of r as an artifact of a trial's run, under a path with slashes
// such as model/model.onnx. It replaces an existing artifact. The server must serve artifacts,
// as mlflow server does by default. It fails with [ErrNoRun].
func (m *Mirror) Attach(ctx context.Context, number int, path string, r io.Reader) error {
	if err := m.attach(ctx, number, path, r); err != nil {
		return pkg.Errorf("trial %d: artifact %s: %w", number, path, err)
	}
	return nil
}

func (m *Mirror) attach(ctx context.Context, number int, path string, r io.Reader) error {
	_, root, err := m.target(ctx, number)
	if err != nil {
		return err
	}
	u, err := url.Parse(root)
	if err != nil || u.Scheme != "mlflow-artifacts" {
		return fmt.Errorf("the server keeps artifacts at %s and does not serve them: start it with --serve-artifacts", root)
	}
	var escaped []string
	for _, part := range strings.Split(strings.Trim(path, "/"), "/") {
		if part == "" || part == "." || part == ".." {
			return fmt.Errorf("not the path of an artifact: use one such as model/model.onnx")
		}
		escaped = append(escaped, url.PathEscape(part))
	}
	at := "/api/2.0/mlflow-artifacts/artifacts/" + strings.Trim(u.EscapedPath(), "/") + "/" + strings.Join(escaped, "/")
	return m.client.do(ctx, http.MethodPut, at, io.NopCloser(r), nil)
}

// ModelPath is the artifact path of the model of [Mirror.AttachModel].
const ModelPath = "model"

// AttachModel stores an ONNX file as a model in MLflow's format: under [ModelPath], with the
// MLmodel file that mlflow.onnx.load_model and mlflow.pyfunc.load_model need.
// [Mirror.Register] with that path makes it a version of a registered model. It fails with
// [ErrNoRun].
func (m *Mirror) AttachModel(ctx context.Context, number int, file io.Reader) error {
	m.mu.Lock()
	is := m.runs[number]
	m.mu.Unlock()
	if is == nil {
		return pkg.Errorf("trial %d: %w: push the study first", number, ErrNoRun)
	}
	if err := m.Attach(ctx, number, ModelPath+"/model.onnx", file); err != nil {
		return err
	}
	return m.Attach(ctx, number, ModelPath+"/MLmodel", strings.NewReader(fmt.Sprintf(mlmodel, is.id, now().UTC().Format("2006-01-02 15:04:05.000000"))))
}

// mlmodel is the MLmodel file of a model, with verbs for the run and the time.
const mlmodel = `artifact_path: model
flavors:
  onnx:
    data: model.onnx
    providers:
    - CUDAExecutionProvider
    - CPUExecutionProvider
  python_function:
    data: model.onnx
    loader_module: mlflow.onnx
run_id: %s
utc_time_created: '%s'
`

// Register makes an artifact of a trial's run a version of a registered model. It creates
// the model if it does not exist. It returns the version, such as 1. Registering an artifact
// twice makes two versions. It fails with [ErrNoRun].
func (m *Mirror) Register(ctx context.Context, number int, path, model string) (version string, err error) {
	if version, err = m.register(ctx, number, path, model); err != nil {
		return "", pkg.Errorf("trial %d: registered model %q: %w", number, model, err)
	}
	return version, nil
}

func (m *Mirror) register(ctx context.Context, number int, path, model string) (string, error) {
	id, root, err := m.target(ctx, number)
	if err != nil {
		return "", err
	}
	err = m.client.call(ctx, "registered-models/create", map[string]any{"name": model}, nil)
	if err != nil && !is(err, "RESOURCE_ALREADY_EXISTS") {
		return "", err
	}
	var answer struct {
		Version struct{ Version string } `json:"model_version"`
	}
	err = m.client.call(ctx, "model-versions/create", map[string]any{"name": model, "source": root + "/" + strings.Trim(path, "/"), "run_id": id}, &answer)
	return answer.Version.Version, err
}

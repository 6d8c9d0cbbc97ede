// Package dashboard shows the studies of a storage in a browser: a list, and a page for each
// study and each trial. Pages update live while others work on the studies.
//
//	d := dashboard.New(sqlite.File("attune.db"), dashboard.Config{})
//	defer d.Close()
//	http.Handle("/tuning/", http.StripPrefix("/tuning", d))
//
// It only reads, unless [Config] says otherwise: then people can write notes, which
// optuna-dashboard shows, too, and enqueue trials. All plots and tables are made in Go. A page has some tens of kilobytes of HTML,
// images that load when they come into view, and two short scripts, which are optional: with
// them, plots name the trials under the pointer, and choose those in a box. All links
// are relative, so the handler can be mounted under any path.
//
// # Security
//
// A Dashboard has no authentication. Put it behind a server that has one, or on a loopback
// address, as the command attune dashboard does. Names, errors and attributes are shown as
// text. The content security policy forbids inline scripts and everything from other origins. A
// form that changes something has a secret that pages of other sites cannot know, and is
// refused if a browser says that it comes from one.
//
// # Cost
//
// A study is read when its plots are first viewed, and then kept up to date. Some tens of
// studies are kept. The first page comes before that if the storage is a [storage.Summarizer], as
// SQLite files and databases on servers are. A plot takes some tens of milliseconds. At most as many plots as there are processors
// are drawn at once.
package dashboard

import (
	"bytes"
	"compress/gzip"
	"context"
	"embed"
	"errors"
	"html/template"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/attune-hpo/attune/fault"
	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/storage"
	"github.com/attune-hpo/attune/trial"
)

// Config configures a Dashboard. The zero value is ready to use.
type Config struct {
	// Settings returns the settings to use from a trial, if they are more than its parameters.
	// For a model these include the fixed hyperparameters. If ok is false, the page shows the
	// parameters. Default: the parameters.
	Settings func(trial.Record) (settings space.Settings, ok bool)
	// Model returns what makes the page about the model that a study tuned, or nil if there is
	// none. It must be quick; the function that it returns may take seconds. Default: none.
	Model func(trial.Header) func(context.Context) ([]Panel, error)
	// Write lets people change notes and enqueue trials. Default: the dashboard only reads.
	Write bool
	// Log receives the errors of the storage. Pages show them, too. Default: none.
	Log *slog.Logger
}

// A Dashboard is an [http.Handler]. It is safe for concurrent use. The caller must close it.
type Dashboard struct {
	config  Config
	secret  string // in all forms
	studies *studies
	mux     *http.ServeMux
	pens    chan struct{}                    // one element for each plot that is being drawn
	streams chan struct{}                    // one element for each client that listens
	drawn   cache[string, []byte]            // compressed images
	indexed cache[indexKey, *index]          // recent studies
	passed  cache[passedKey, trial.Snapshot] // filtered studies
	models  cache[passedKey, panelsOf]       // what is known of models
	told    told
	was     atomic.Bool // the storage was there, once
	noting  sync.Mutex  // held while a note is compared and replaced
}

// mostStreams is the maximum number of clients that listen for changes.
const mostStreams = 200

//go:embed pages assets
var files embed.FS

var pages = template.Must(template.New("").Funcs(template.FuncMap{
	"number": number, "instant": instant, "shown": shown, "picture": newPicture,
}).ParseFS(files, "pages/*.html"))

// New returns a dashboard of the studies in a store.
func New(store storage.Store, c Config) *Dashboard {
	d := &Dashboard{
		config: c, secret: newSecret(), studies: newStudies(store), mux: http.NewServeMux(),
		pens: make(chan struct{}, runtime.GOMAXPROCS(0)), streams: make(chan struct{}, mostStreams),
		drawn: cache[string, []byte]{most: 64}, indexed: cache[indexKey, *index]{most: 8}, passed: cache[passedKey, trial.Snapshot]{most: 3}, models: cache[passedKey, panelsOf]{most: 16},
	}
	if d.config.Log == nil {
		d.config.Log = slog.New(slog.DiscardHandler)
	}
	assets, err := fs.Sub(files, "assets")
	if err != nil {
		panic(err) // it is embedded
	}
	d.mux.Handle("GET /assets/", http.StripPrefix("/assets/", http.FileServerFS(assets)))
	d.mux.HandleFunc("GET /{$}", d.page(d.list))
	d.mux.HandleFunc("GET /study", d.page(d.study))
	d.mux.HandleFunc("GET /compare", d.page(d.compare))
	d.mux.HandleFunc("GET /trial", d.page(d.trial))
	d.mux.HandleFunc("GET /model", d.page(d.model))
	d.mux.HandleFunc("GET /model.svg", d.page(d.modelPlot))
	d.mux.HandleFunc("GET /trials", d.page(d.trials))
	d.mux.HandleFunc("GET /plot.svg", d.page(d.plot))
	d.mux.HandleFunc("GET /places.json", d.page(d.places))
	d.mux.HandleFunc("GET /spark.svg", d.page(d.spark))
	d.mux.HandleFunc("GET /params", d.page(d.params))
	d.mux.HandleFunc("GET /enqueue", d.page(d.enqueue))
	d.mux.HandleFunc("POST /enqueue", d.change(d.enqueue))
	d.mux.HandleFunc("POST /note", d.change(d.setNoteForm))
	d.mux.HandleFunc("GET /events", d.page(d.events))
	return d
}

// Close releases the resources of the storage. Requests fail afterwards.
func (d *Dashboard) Close() error { return d.studies.close() }

// ServeHTTP implements http.Handler.
func (d *Dashboard) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Security-Policy", "default-src 'none'; img-src 'self'; style-src 'self'; script-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	d.mux.ServeHTTP(w, r)
}

// imagePolicy is the content security policy of an image, which has inline styles.
const imagePolicy = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'none'"

// A problem is an error of the client.
type problem struct {
	code int
	text string
}

func (p problem) Error() string { return p.text }

// page converts a function to a handler, which shows the function's error in a sentence.
func (d *Dashboard) page(f func(w http.ResponseWriter, r *http.Request) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		err := d.there()
		if err == nil {
			err = f(w, r)
		}
		var p problem
		switch {
		case err == nil || r.Context().Err() != nil:
			return
		case errors.As(err, &p):
		case errors.Is(err, storage.ErrNotExist):
			p = problem{http.StatusNotFound, "There is no such study."}
		default:
			d.config.Log.ErrorContext(r.Context(), "dashboard", "url", r.URL.String(), "error", err)
			p = problem{http.StatusServiceUnavailable, unread(err)}
		}
		d.answer(w, r, p.code, "error.html", struct {
			Title, Text string
		}{http.StatusText(p.code), p.text})
	}
}

// errGone reports a storage that was there, and is no more.
var errGone = errors.New("it is gone: somebody removed it or gave it another name")

// there returns an error if the storage has vanished.
func (d *Dashboard) there() error {
	s, ok := d.studies.store.(storage.Placed)
	if !ok {
		return nil
	}
	is, err := s.Exists()
	if is {
		d.was.Store(true)
	} else if err == nil && d.was.Load() {
		d.studies.forgetAll() // what comes back may be another file
		return errGone
	}
	return err
}

// unread says that the storage cannot be read.
func unread(err error) string {
	if errors.Is(err, storage.ErrNotExist) {
		return "The study is gone: somebody deleted it."
	}
	return "The storage cannot be read: " + said(err)
}

// said returns the text of an error for who reads it in a browser: without the names of
// packages and of fields, which mean something only to who wrote the program.
func said(err error) string {
	text := fault.Text(err, func(fault.Hint) string { return "" })
	return short(strings.Join(strings.Fields(text), " "), 400) // drivers write several lines
}

// execute writes a page.
func (d *Dashboard) execute(w http.ResponseWriter, r *http.Request, name string, data any) {
	d.answer(w, r, http.StatusOK, name, data)
}

// answer writes a page with a status.
func (d *Dashboard) answer(w http.ResponseWriter, r *http.Request, status int, name string, data any) {
	var b bytes.Buffer
	out := io.WriteCloser(closer{&b})
	head := w.Header()
	if strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		head.Set("Content-Encoding", "gzip")
		out = gzip.NewWriter(&b)
	}
	if err := errors.Join(pages.ExecuteTemplate(out, name, data), out.Close()); err != nil {
		panic(err) // the templates are embedded and tested, and a buffer takes everything
	}
	head.Set("Content-Type", "text/html; charset=utf-8")
	head.Set("Cache-Control", "no-store")
	head.Set("Vary", "Accept-Encoding")
	w.WriteHeader(status)
	w.Write(b.Bytes()) // ignore clients that are gone
}

type closer struct{ io.Writer }

func (closer) Close() error { return nil }

// snapshot returns the study in a request, and its version, which changes whenever its trials
// do.
func (d *Dashboard) snapshot(ctx context.Context, name string) (trial.Snapshot, string, error) {
	if name == "" {
		return trial.Snapshot{}, "", problem{http.StatusBadRequest, "Which study? The address lacks ?name=."}
	}
	h, err := d.studies.snapshot(ctx, name)
	return h, version(h), err
}

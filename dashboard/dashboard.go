// Package dashboard shows the studies of a storage in a browser: a list, and a page for each
// study and each trial. Pages update live while others work on the studies.
//
//	d := dashboard.New(sqlite.File("attune.db"), dashboard.Config{})
//	defer d.Close()
//	http.Handle("/tuning/", http.StripPrefix("/tuning", d))
//
// It only reads. All plots and tables are made in Go. A page has some tens of kilobytes of HTML,
// images that load when they come into view, and a short script, which is optional. All links
// are relative, so the handler can be mounted under any path.
//
// # Security
//
// A Dashboard has no authentication. Put it behind a server that has, or on a loopback address,
// as the command attune dashboard does. Names, errors and attributes are shown as text. The
// content security policy forbids inline scripts and everything from other origins.
//
// # Cost
//
// A study is read when it is first viewed, and then kept up to date. Some tens of studies are
// kept. A plot takes some tens of milliseconds. At most as many plots as there are processors
// are drawn at once.
package dashboard

import (
	"bytes"
	"context"
	"embed"
	"errors"
	"html/template"
	"io/fs"
	"log/slog"
	"net/http"
	"runtime"

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
	// Log receives the errors of the storage. Pages show them, too. Default: none.
	Log *slog.Logger
}

// A Dashboard is an [http.Handler]. It is safe for concurrent use. The caller must close it.
type Dashboard struct {
	config  Config
	studies *studies
	mux     *http.ServeMux
	drawing chan struct{}                 // one element for each plot that is being drawn
	streams chan struct{}                 // one element for each client that listens
	drawn   cache[string, []byte]         // compressed images
	passed  cache[string, trial.Snapshot] // filtered studies
}

// mostStreams is the maximum number of clients that listen for changes.
const mostStreams = 200

//go:embed pages assets
var files embed.FS

var pages = template.Must(template.New("").Funcs(template.FuncMap{
	"number": number, "instant": instant, "shown": shown,
}).ParseFS(files, "pages/*.html"))

// New returns a dashboard of the studies in a store.
func New(store storage.Store, c Config) *Dashboard {
	d := &Dashboard{
		config: c, studies: newStudies(store), mux: http.NewServeMux(),
		drawing: make(chan struct{}, runtime.GOMAXPROCS(0)), streams: make(chan struct{}, mostStreams),
		drawn: cache[string, []byte]{most: 64}, passed: cache[string, trial.Snapshot]{most: 8},
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
	d.mux.HandleFunc("GET /plot.svg", d.page(d.plot))
	d.mux.HandleFunc("GET /params", d.page(d.params))
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

// A problem is an error of the client.
type problem struct {
	code int
	text string
}

func (p problem) Error() string { return p.text }

// page converts a function to a handler, which shows the function's error in a sentence.
func (d *Dashboard) page(f func(w http.ResponseWriter, r *http.Request) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		err := f(w, r)
		var p problem
		switch {
		case err == nil || r.Context().Err() != nil:
			return
		case errors.As(err, &p):
		case errors.Is(err, storage.ErrNotExist):
			p = problem{http.StatusNotFound, "There is no such study."}
		default:
			d.config.Log.ErrorContext(r.Context(), "dashboard", "url", r.URL.String(), "error", err)
			p = problem{http.StatusServiceUnavailable, "The storage cannot be read: " + said(err)}
		}
		w.WriteHeader(p.code)
		d.execute(w, "error.html", struct {
			Title, Text string
		}{http.StatusText(p.code), p.text})
	}
}

// said returns the text of an error for who reads it in a browser: without the names of
// packages and of fields, which mean something only to who wrote the program.
func said(err error) string { return fault.Text(err, func(fault.Hint) string { return "" }) }

// execute writes a page.
func (d *Dashboard) execute(w http.ResponseWriter, name string, data any) {
	var b bytes.Buffer
	if err := pages.ExecuteTemplate(&b, name, data); err != nil {
		panic(err) // the templates are embedded and tested
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.Write(b.Bytes()) // ignore clients that are gone
}

// snapshot returns the study in a request, and its version, which changes whenever its trials
// do.
func (d *Dashboard) snapshot(ctx context.Context, name string) (trial.Snapshot, string, error) {
	if name == "" {
		return trial.Snapshot{}, "", problem{http.StatusBadRequest, "Which study? The address lacks ?name=."}
	}
	h, err := d.studies.snapshot(ctx, name)
	return h, version(h), err
}

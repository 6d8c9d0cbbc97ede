package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/attune-hpo/attune/dashboard"
	"github.com/attune-hpo/attune/internal/web"
	"github.com/attune-hpo/attune/objective/tune"
	"github.com/attune-hpo/attune/storage/mysql"
	"github.com/attune-hpo/attune/storage/postgres"
	"github.com/attune-hpo/attune/storage/sqlite"
	"github.com/attune-hpo/attune/study"
)

// tokenVariable is the environment variable with the token. A flag would show the token to
// all users of the machine.
const tokenVariable = "ATTUNE_DASHBOARD_TOKEN"

// readTokenVariable is the environment variable with the token of those who may only read.
const readTokenVariable = "ATTUNE_DASHBOARD_READ_TOKEN"

// pagePatience is how long a page waits for a database that is away or locked.
const pagePatience = 5 * time.Second

// board holds the flags of the command dashboard.
type board struct {
	storage, listen, prefix string
	registry                string
	certificate, key        string
	hosts                   []string
	write                   bool
}

func dashboardCommand() *cobra.Command {
	var b board
	cmd := &cobra.Command{
		Use:   "dashboard",
		Short: "Show studies in a browser",
		Long: `Dashboard shows the studies of a storage in a browser, live while others work on them: the best
hyperparameters ready to be copied, plots, and all trials. It needs no network. Ctrl-C ends
it.

A study of forecasters has a page about its model: the forecast with its intervals, the
backtest, baselines beside it, which features matter, and how to use it elsewhere.

It only reads. With --write, people can write notes, which optuna-dashboard shows too, and
enqueue trials with the parameters of another trial, with changes if they like.

It listens on this machine only. For an address that other machines reach, set a token in
the environment variable ` + tokenVariable + `: browsers ask for it as a password, with any user
name. With a second token, in ` + readTokenVariable + `, people can only read.
Where others can listen, give --tls-cert and --tls-key, or use a proxy with TLS.`,
		Example: `  attune dashboard
  attune dashboard --storage attune.db --listen 127.0.0.1:9000
  ` + tokenVariable + `=... attune dashboard --listen :8080 --host tuning.example`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return b.run(cmd.Context(), cmd.OutOrStdout())
		},
	}
	storageFlags(cmd, &b.storage, nil)
	f := cmd.Flags()
	f.StringVar(&b.listen, "listen", "127.0.0.1:8080", "`address` to listen on; port 0 is any free one")
	f.StringVar(&b.registry, "registry", "", "`folder` of a registry, to list its versions of each study's model")
	f.BoolVar(&b.write, "write", false, "let people write notes and enqueue trials")
	f.StringVar(&b.certificate, "tls-cert", "", "PEM `file` with a certificate (default: plain HTTP)")
	f.StringVar(&b.key, "tls-key", "", "PEM `file` with its key")
	f.StringVar(&b.prefix, "prefix", "", "`path` under which a proxy serves the dashboard, such as /tuning")
	f.StringSliceVar(&b.hosts, "host", nil, "`names` of this server in a browser, besides localhost and IP addresses")
	return cmd
}

func (b *board) run(ctx context.Context, stdout io.Writer) error {
	if b.prefix != "" && (!strings.HasPrefix(b.prefix, "/") || strings.HasSuffix(b.prefix, "/")) {
		return fmt.Errorf("--prefix %s: want a path that begins with a slash and does not end with one", quote(b.prefix))
	}
	if os.Getenv(readTokenVariable) != "" && os.Getenv(tokenVariable) == "" {
		return fmt.Errorf("%s is set, but not %s: set both, or neither", readTokenVariable, tokenVariable)
	}
	store, err := openStore(b.storage)
	if err != nil {
		return err
	}
	switch s := store.Store.(type) { // who looks at a page would rather read that the database is away than wait
	case *sqlite.Store:
		s.BusyTimeout = pagePatience
	case *postgres.Store:
		s.Patience = pagePatience
	case *mysql.Store:
		s.Patience = pagePatience
	}
	if b.registry != "" {
		if _, err := openRegistry(b.registry); err != nil {
			return err
		}
	}
	if _, err := study.List(ctx, store); err != nil { // report now what a page would report later
		return err
	}
	d := dashboard.New(store.Store, dashboard.Config{Settings: tune.Settings, Write: b.write, Model: modelPages(b.storage, b.registry)})
	s, err := web.Listen(web.Config{Addr: b.listen, Handler: http.StripPrefix(b.prefix, slashed(d)), Hosts: b.hosts,
		Token: os.Getenv(tokenVariable), ReadToken: os.Getenv(readTokenVariable), Certificate: b.certificate, Key: b.key})
	if errors.Is(err, web.ErrCertificate) {
		err = fmt.Errorf("--tls-cert %s, --tls-key %s: %w: want files in PEM", quote(b.certificate), quote(b.key), err)
	}
	if err != nil {
		return cmp.Or(refusedAddress(err, "listen", b.listen, "set a token in the environment variable "+tokenVariable), d.Close())
	}
	fmt.Fprintf(stdout, "%s: %s%s\n", store.Path, strings.TrimSuffix(s.URL(), "/"), b.prefix+"/")
	return errors.Join(s.Run(ctx), d.Close())
}

// refusedAddress returns the error for the address of a flag at which a server cannot listen. The
// way out is what to do about one that other machines reach.
func refusedAddress(err error, flag, address, wayOut string) error {
	var op *net.OpError
	switch {
	case errors.Is(err, web.ErrAddr):
		return fmt.Errorf("--%s %s: want an address and a port, such as 127.0.0.1:8080", flag, quote(address))
	case errors.Is(err, web.ErrToken):
		return fmt.Errorf("--%s %s: other machines reach this address: %s", flag, quote(address), wayOut)
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("--%s %s: another program listens there: choose another port, or 0 for any free one", flag, quote(address))
	case errors.As(err, &op):
		return fmt.Errorf("--%s %s: %w", flag, quote(address), op.Err)
	}
	return err
}

// slashed redirects the prefix without a slash, because relative links would be wrong there.
func slashed(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "" {
			w.Header().Set("Location", "./"+lastElement(r.RequestURI)+"/")
			w.WriteHeader(http.StatusTemporaryRedirect)
			return
		}
		h.ServeHTTP(w, r)
	})
}

// lastElement returns the part of a path after the last slash.
func lastElement(path string) string {
	path, _, _ = strings.Cut(path, "?")
	return path[strings.LastIndexByte(path, '/')+1:]
}

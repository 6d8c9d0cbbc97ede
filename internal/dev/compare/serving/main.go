// Command serving times what attune serve does for workers over loopback: trials of five floats and
// five reports, by many clients at once, over HTTP with JSON and as a remote store.
//
//	serving -storage memory -clients 16 -trials 5000
//	serving -storage /tmp/a.db -clients 16 -trials 5000 -single
//	serving -storage memory -clients 1000 -trials 5000 -sampler tpe -study 10000
//	serving -storage /tmp/a.db -clients 16 -trials 2000 -remote
//
// It says how many trials a second there were, and how long the slowest requests for a trial took.
// The server is in this process, the clients in another, with a connection each.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/attune-hpo/attune/sampler"
	"github.com/attune-hpo/attune/sampler/random"
	"github.com/attune-hpo/attune/sampler/tpe"
	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/storage"
	"github.com/attune-hpo/attune/storage/memory"
	"github.com/attune-hpo/attune/storage/remote"
	"github.com/attune-hpo/attune/storage/sqlite"
	"github.com/attune-hpo/attune/study"
	"github.com/attune-hpo/attune/study/server"
	"github.com/attune-hpo/attune/trial"
)

var (
	at      = flag.String("storage", "memory", "memory, or the path of a new SQLite file")
	clients = flag.Int("clients", 16, "clients at once")
	trials  = flag.Int("trials", 1000, "trials of all clients together")
	name    = flag.String("sampler", "random", "random or tpe")
	has     = flag.Int("study", 0, "trials that the study has before")
	single  = flag.Bool("single", false, "one request for each report")
	remotes = flag.Bool("remote", false, "clients use storage/remote, and sample by themselves")
	join    = flag.String("join", "", "URL of the server: this process has the clients")
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("serving: ")
	flag.Parse()
	run := serve
	if *join != "" {
		run = work
	}
	if err := run(context.Background()); err != nil {
		log.Fatal(err)
	}
}

func samplerOf() sampler.Sampler {
	if *name == "tpe" {
		return tpe.New(tpe.Config{})
	}
	return random.Sampler{}
}

func params() space.Space {
	var s space.Space
	for i := range 5 {
		s = append(s, space.Float("x"+strconv.Itoa(i), -5, 5).Axis())
	}
	return s
}

// serve serves a study to the clients in another process.
func serve(ctx context.Context) error {
	var store storage.Store = new(memory.Store)
	if *at != "memory" {
		store = sqlite.File(*at)
	}
	h, ledgers := server.New(store, server.Config{Sampler: samplerOf()}), remote.NewHandler(store)
	defer h.Close()
	defer ledgers.Close()
	mux := http.NewServeMux()
	mux.Handle("/", h)
	mux.Handle("/ledger/", ledgers)
	s := httptest.NewServer(mux)
	defer s.Close()
	var parameters []map[string]any
	for _, a := range params() {
		parameters = append(parameters, map[string]any{"name": a.Name, "type": "float", "low": -5, "high": 5})
	}
	if err := send(http.DefaultClient, "PUT", s.URL+"/v1/studies/net", map[string]any{"parameters": parameters}, nil); err != nil {
		return err
	}
	st, err := study.Load(ctx, store, "net", study.Config{Sampler: random.Sampler{}})
	if err != nil {
		return err
	}
	defer st.Close()
	if err := fill(ctx, st); err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, self, append(os.Args[1:], "-join", s.URL)...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	if err := cmd.Run(); err != nil {
		return err
	}
	all, err := st.Snapshot(ctx)
	if err != nil {
		return err
	}
	if want := *has + *trials / *clients * *clients; all.Len() != want || all.Count(trial.Complete) != want {
		return fmt.Errorf("%d trials, %d of them complete: want %d", all.Len(), all.Count(trial.Complete), want)
	}
	return nil
}

// fill adds the trials that the study has before.
func fill(ctx context.Context, st *study.Study) error {
	s := params()
	var records []trial.Record
	for i := range *has {
		p := space.Params{Space: s}
		sum := 0.0
		for j := range s {
			x := float64((i*(j+7))%1000)/100 - 5
			p.Point = append(p.Point, x)
			sum += x * x
		}
		records = append(records, trial.Record{State: trial.Complete, Params: p, Values: []float64{sum}, Started: time.Now(), Finished: time.Now()})
	}
	_, err := st.Add(ctx, records...)
	return err
}

func send(client *http.Client, method, url string, body, out any) error {
	text, err := json.Marshal(body)
	if err != nil {
		return err
	}
	r, err := http.NewRequest(method, url, bytes.NewReader(text))
	if err != nil {
		return err
	}
	resp, err := client.Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode >= 300 {
		err = fmt.Errorf("%s %s: %s", method, url, answer)
	}
	if err == nil && out != nil {
		err = json.Unmarshal(answer, out)
	}
	return err
}

// work runs the clients, once all are connected.
func work(ctx context.Context) error {
	var begin, ready, all sync.WaitGroup
	begin.Add(1)
	var mu sync.Mutex
	var asks []time.Duration
	var failed error
	var shared *study.Study
	if *remotes {
		var err error
		if shared, err = study.Load(ctx, remote.Server(*join), "net", study.Config{Sampler: samplerOf(), Space: params()}); err != nil {
			return err
		}
		defer shared.Close()
	}
	for i := range *clients {
		ready.Add(1)
		all.Go(func() {
			client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 1}}
			err := send(client, "GET", *join+"/v1/studies/net", nil, nil)
			ready.Done()
			begin.Wait()
			for n := range *trials / *clients {
				if err != nil {
					break
				}
				var took time.Duration
				if *remotes {
					took, err = remotely(ctx, shared)
				} else {
					took, err = overHTTP(client, fmt.Sprintf("%d-%d", i, n))
				}
				mu.Lock()
				asks = append(asks, took)
				mu.Unlock()
			}
			if err != nil {
				mu.Lock()
				failed = err
				mu.Unlock()
			}
		})
	}
	ready.Wait()
	begun := time.Now()
	begin.Done()
	all.Wait()
	took := time.Since(begun)
	if failed != nil {
		return failed
	}
	slices.Sort(asks)
	at := func(q float64) time.Duration { return asks[int(q*float64(len(asks)-1))].Round(10 * time.Microsecond) }
	fmt.Printf("%d clients, %d trials in %.1f s: %.0f trials/s; ask: median %v, p99 %v\n",
		*clients, len(asks), took.Seconds(), float64(len(asks))/took.Seconds(), at(0.5), at(0.99))
	return nil
}

// overHTTP runs a trial, and returns how long it took to ask for it.
func overHTTP(client *http.Client, key string) (time.Duration, error) {
	var asked struct {
		Trials []struct {
			Number int                `json:"number"`
			Params map[string]float64 `json:"params"`
			Wanted map[string]float64 `json:"proposed"`
		} `json:"trials"`
	}
	begun := time.Now()
	if err := send(client, "POST", *join+"/v1/studies/net/trials", map[string]any{"keys": []string{key}}, &asked); err != nil {
		return 0, err
	}
	took := time.Since(begun)
	sum := 0.0
	for _, x := range asked.Trials[0].Wanted {
		sum += x * x
	}
	this := fmt.Sprintf("%s/v1/studies/net/trials/%d", *join, asked.Trials[0].Number)
	var reports []map[string]any
	for step := range 5 {
		report := map[string]any{"step": step, "value": sum}
		if *single {
			if err := send(client, "POST", this+"/reports", report, nil); err != nil {
				return 0, err
			}
		}
		reports = append(reports, report)
	}
	if !*single {
		if err := send(client, "POST", this+"/reports", map[string]any{"reports": reports}, nil); err != nil {
			return 0, err
		}
	}
	return took, send(client, "POST", this+"/tell", map[string]any{"values": []float64{sum}}, nil)
}

// remotely is overHTTP with a study on a remote store.
func remotely(ctx context.Context, st *study.Study) (time.Duration, error) {
	begun := time.Now()
	t, err := st.Ask(ctx)
	if err != nil {
		return 0, err
	}
	took := time.Since(begun)
	sum := 0.0
	for i := range 5 {
		x := space.Float("x"+strconv.Itoa(i), -5, 5).Suggest(t)
		sum += x * x
	}
	var reports []trial.Report
	for step := range 5 {
		if reports = append(reports, trial.Report{Step: step, Value: sum}); *single {
			if err := t.Report(ctx, step, sum); err != nil {
				return 0, err
			}
		}
	}
	if !*single {
		if err := t.ReportAll(ctx, reports...); err != nil {
			return 0, err
		}
	}
	return took, st.Tell(ctx, t, []float64{sum}, nil)
}

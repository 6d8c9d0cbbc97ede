package server_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/attune-hpo/attune/sampler/random"
	"github.com/attune-hpo/attune/storage"
	"github.com/attune-hpo/attune/storage/memory"
	"github.com/attune-hpo/attune/storage/sqlite"
	"github.com/attune-hpo/attune/study/server"
)

// The cost of a trial over loopback: ask, five reports and tell, by 16 clients at once.
func BenchmarkTrial(b *testing.B) {
	for name, store := range map[string]func(*testing.B) storage.Store{
		"memory": func(*testing.B) storage.Store { return new(memory.Store) },
		"sqlite": func(b *testing.B) storage.Store { return sqlite.File(filepath.Join(b.TempDir(), "a.db")) },
	} {
		b.Run(name, func(b *testing.B) {
			h := server.New(store(b), server.Config{Sampler: random.Sampler{}})
			defer h.Close()
			s := httptest.NewServer(h)
			defer s.Close()
			client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}
			send := func(method, path, body string) string {
				r, err := http.NewRequest(method, s.URL+"/v1/studies/net"+path, strings.NewReader(body))
				if err != nil {
					b.Error(err)
					return ""
				}
				resp, err := client.Do(r)
				if err != nil {
					b.Error(err)
					return ""
				}
				defer resp.Body.Close()
				text, err := io.ReadAll(resp.Body)
				if err != nil || resp.StatusCode >= 300 {
					b.Error(resp.Status, method, path, err)
				}
				return string(text)
			}
			send("PUT", "", oneX)
			var key atomic.Int64
			b.SetParallelism(8) // times GOMAXPROCS
			b.ResetTimer()
			b.RunParallel(func(next *testing.PB) {
				for next.Next() {
					asked := send("POST", "/trials", fmt.Sprintf(`{"keys": ["%d"]}`, key.Add(1)))
					_, after, _ := strings.Cut(asked, `"number":`)
					number, _, _ := strings.Cut(after, ",")
					trial := "/trials/" + number
					for step := range 5 {
						send("POST", trial+"/reports", fmt.Sprintf(`{"step": %d, "value": 1}`, step))
					}
					send("POST", trial+"/tell", `{"values": [1]}`)
				}
			})
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "trials/s")
		})
	}
}

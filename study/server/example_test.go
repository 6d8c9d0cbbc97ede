package server_test

import (
	"fmt"
	"io"
	"net/http/httptest"
	"strings"

	"github.com/attune-hpo/attune/sampler/random"
	"github.com/attune-hpo/attune/storage/memory"
	"github.com/attune-hpo/attune/study/server"
)

// A worker in any language creates a study, asks for a trial, and tells.
func ExampleNew() {
	h := server.New(new(memory.Store), server.Config{Sampler: random.Sampler{}})
	defer h.Close()
	send := func(method, path, body string) string {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(method, path, strings.NewReader(body)))
		text, _ := io.ReadAll(w.Body)
		return string(text)
	}
	send("PUT", "/v1/studies/net", `{"parameters": [{"name": "depth", "type": "int", "low": 3, "high": 3}]}`)
	send("POST", "/v1/studies/net/trials", `{"keys": ["worker 1, trial 1"]}`)
	send("POST", "/v1/studies/net/trials/0/tell", `{"values": [0.25]}`)
	best := send("GET", "/v1/studies/net/best", "")
	fmt.Println(strings.Contains(best, `"values":[0.25],"params":{"depth":3}`))
	fmt.Print(send("GET", "/v1/studies/other", ""))
	// Output:
	// true
	// {"error":"open study \"other\": does not exist","hint":"GET /v1/studies lists the studies; PUT /v1/studies/{study} creates one"}
}

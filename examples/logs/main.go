// Logs labels the lines of a log with a weighted ensemble of rules, a text classifier (TF-IDF and XGBoost) and an
// isolation forest with its scaler, which sees numbers that a Go function takes from the text. train.py trained the
// two models in Python. This program converts them to ONNX, runs them in ONNX Runtime with the native models to fall
// back to, and lets an ensemble with other weights classify the same lines in its shadow.
//
// It needs ONNX Runtime, which attune setup onnxruntime downloads.
package main

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/attune-hpo/attune/export/classify"
	"github.com/attune-hpo/attune/export/deploy"
	"github.com/attune-hpo/attune/export/runtime"
	"github.com/attune-hpo/attune/objective/pipeline"
)

//go:embed text.joblib
var text []byte

//go:embed anomaly.joblib
var anomaly []byte

//go:embed ensemble.yaml
var config []byte

// topics are the classes of the text classifier, which numbers them.
var topics = map[string]string{"0": "disk", "1": "login", "2": "network"}

// features are the numbers of a line that the isolation forest was trained on.
func features(line string) ([]float64, error) {
	digits, marks := 0, 0
	for _, c := range line {
		if unicode.IsDigit(c) {
			digits++
		}
		if strings.ContainsRune(`=<>;'"%`, c) {
			marks++
		}
	}
	return []float64{float64(utf8.RuneCountInString(line)), float64(digits), float64(marks)}, nil
}

// open converts a model of Python and opens the ONNX file.
func open(ctx context.Context, model []byte, file string, o classify.ModelOptions) (*classify.Model, io.Closer, error) {
	native, from, err := pipeline.Read(bytes.NewReader(model))
	if err != nil {
		return nil, nil, err
	}
	result, err := deploy.Pipeline(ctx, native, nil, deploy.TreesOptions{File: file})
	if err != nil {
		return nil, nil, err
	}
	fmt.Printf("%s: predicts the same on %d rows\n", from.Format, result.Report.Rows)
	served, err := deploy.OpenPipeline(file, native, runtime.Config{})
	if err != nil {
		return nil, nil, err
	}
	m, err := classify.NewModel(native, served, o)
	return m, served, err
}

// named gives the numbers of the classes their names.
func named(c classify.Classifier) classify.Classifier {
	return classify.Func(func(items []classify.Item) ([]classify.Answer, error) {
		answers, err := c.Classify(items)
		for i, a := range answers {
			scores := map[string]float64{}
			for number, s := range a.Scores {
				scores[topics[number]] = s
			}
			answers[i] = classify.Answer{Label: topics[a.Label], Confidence: a.Confidence, Scores: scores}
		}
		return answers, err
	})
}

func run(ctx context.Context, dir string) error {
	texts, close1, err := open(ctx, text, filepath.Join(dir, "text.onnx"), classify.ModelOptions{})
	if err != nil {
		return err
	}
	defer close1.Close()
	forest, close2, err := open(ctx, anomaly, filepath.Join(dir, "anomaly.onnx"), classify.ModelOptions{Features: features})
	if err != nil {
		return err
	}
	defer close2.Close()
	c, err := classify.ReadConfig(bytes.NewReader(config))
	if err != nil {
		return err
	}
	ensemble := func(weights map[string]float64) (*classify.Ensemble, error) {
		return classify.NewEnsemble(
			classify.Member{Name: "rules", Classifier: c.Rules, Weight: weights["rules"]},
			classify.Member{Name: "text", Classifier: named(texts), Weight: weights["text"]},
			classify.Member{Name: "anomaly", Classifier: forest, Weight: weights["anomaly"]})
	}
	live, err := ensemble(c.Weights)
	candidate, err2 := ensemble(map[string]float64{"rules": 2, "text": 1, "anomaly": 0})
	if err := errors.Join(err, err2); err != nil {
		return err
	}
	shadow := &classify.Shadow{Live: live, Candidate: candidate, Log: slog.New(slog.DiscardHandler)}
	lines := []string{
		"quota of n15 exceeded on host17.example",
		"accepted password for n12 from host9.example",
		"connection to host2.example refused after 3 tries",
		"worker n4: Out of memory",
		`GET /?q=%27%20OR%201=1;--<script>alert("%00%00%00%00")</script> 99999999999999999999`,
	}
	var items []classify.Item
	for _, line := range lines {
		items = append(items, classify.Item{Text: line})
	}
	answers, err := shadow.Classify(items)
	if err != nil {
		return err
	}
	for i, a := range answers {
		fmt.Printf("%-8s %.2f  %.50s\n", a.Label, a.Confidence, lines[i])
	}
	stats := shadow.Stats()
	fmt.Printf("with other weights, %d of %d confidences and %d labels differ\n", stats.Disagreements, stats.Items, stats.Labels)
	return nil
}

func main() {
	dir, err := os.MkdirTemp("", "logs")
	if err != nil {
		log.Fatal(err)
	}
	err = run(context.Background(), dir)
	os.RemoveAll(dir)
	if err != nil {
		log.Fatal(err)
	}
}

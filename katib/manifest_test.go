package katib_test

import (
	"bytes"
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/attune-hpo/attune/katib/internal/api"
)

// decode reads a manifest. A field that out lacks is an error.
func decode(t *testing.T, path string, out any) {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	d := yaml.NewDecoder(bytes.NewReader(text))
	d.KnownFields(true)
	require.NoError(t, d.Decode(out))
}

// The fields are those of Katib's types, as far as the manifests have them.
type manifest struct {
	APIVersion string `yaml:"apiVersion"`
	Kind       string
	Metadata   struct{ Namespace, Name string }
	Spec       struct {
		Objective struct {
			Type                string
			ObjectiveMetricName string `yaml:"objectiveMetricName"`
		}
		Algorithm struct {
			AlgorithmName     string                         `yaml:"algorithmName"`
			AlgorithmSettings []struct{ Name, Value string } `yaml:"algorithmSettings"`
		}
		ParallelTrialCount  int `yaml:"parallelTrialCount"`
		MaxTrialCount       int `yaml:"maxTrialCount"`
		MaxFailedTrialCount int `yaml:"maxFailedTrialCount"`
		Parameters          []struct {
			Name          string
			ParameterType string `yaml:"parameterType"`
			FeasibleSpace struct {
				Max, Min, Step, Distribution string
				List                         []string
			} `yaml:"feasibleSpace"`
		}
		TrialTemplate struct {
			PrimaryContainerName string                             `yaml:"primaryContainerName"`
			TrialParameters      []struct{ Name, Reference string } `yaml:"trialParameters"`
			TrialSpec            struct {
				APIVersion string `yaml:"apiVersion"`
				Kind       string
				Spec       struct {
					Template struct {
						Spec struct {
							RestartPolicy string `yaml:"restartPolicy"`
							Containers    []struct {
								Name, Image string
								Command     []string
							}
						}
					}
				}
			} `yaml:"trialSpec"`
		} `yaml:"trialTemplate"`
	}
}

func TestManifests(t *testing.T) {
	var config struct {
		APIVersion string `yaml:"apiVersion"`
		Kind       string
		Runtime    struct {
			Suggestions []struct {
				AlgorithmName   string `yaml:"algorithmName"`
				Image           string
				ImagePullPolicy string `yaml:"imagePullPolicy"`
				Args            []string
			}
		}
	}
	decode(t, "../examples/kubernetes/katib-config.yaml", &config)
	assert.Equal(t, "KatibConfig", config.Kind)

	var m manifest
	decode(t, "../examples/kubernetes/experiment.yaml", &m)
	served := slices.IndexFunc(config.Runtime.Suggestions, func(s struct {
		AlgorithmName   string `yaml:"algorithmName"`
		Image           string
		ImagePullPolicy string `yaml:"imagePullPolicy"`
		Args            []string
	}) bool {
		return s.AlgorithmName == m.Spec.Algorithm.AlgorithmName
	})
	assert.GreaterOrEqual(t, served, 0, "the configuration has the experiment's algorithm")

	exp := experiment(m.Spec.Algorithm.AlgorithmName)
	exp.Name = m.Metadata.Name
	for _, s := range m.Spec.Algorithm.AlgorithmSettings {
		exp.Spec.Algorithm.AlgorithmSettings = append(exp.Spec.Algorithm.AlgorithmSettings, &api.AlgorithmSetting{Name: s.Name, Value: s.Value})
	}
	require.Equal(t, "minimize", m.Spec.Objective.Type)
	exp.Spec.Objective.ObjectiveMetricName = m.Spec.Objective.ObjectiveMetricName
	var names []string
	for _, p := range m.Spec.Parameters {
		names = append(names, p.Name)
		exp.Spec.ParameterSpecs.Parameters = append(exp.Spec.ParameterSpecs.Parameters, &api.ParameterSpec{
			Name:          p.Name,
			ParameterType: map[string]api.ParameterType{"double": 1, "int": 2, "discrete": 3, "categorical": 4}[p.ParameterType],
			FeasibleSpace: &api.FeasibleSpace{
				Min: p.FeasibleSpace.Min, Max: p.FeasibleSpace.Max, Step: p.FeasibleSpace.Step, List: p.FeasibleSpace.List,
				Distribution: map[string]api.Distribution{"uniform": 1, "logUniform": 2, "normal": 3, "logNormal": 4}[p.FeasibleSpace.Distribution],
			},
		})
	}
	template := m.Spec.TrialTemplate
	require.Len(t, template.TrialSpec.Spec.Template.Spec.Containers, 1)
	container := template.TrialSpec.Spec.Template.Spec.Containers[0]
	assert.Equal(t, template.PrimaryContainerName, container.Name)
	for _, p := range template.TrialParameters {
		assert.Contains(t, names, p.Reference)
		assert.Contains(t, strings.Join(container.Command, " "), "${trialParameters."+p.Name+"}")
	}

	c := &controller{t: t, exp: exp}
	client := serve(t)
	lowest := math.Inf(1)
	for len(c.trials) < m.Spec.MaxTrialCount {
		c.ask(client, m.Spec.ParallelTrialCount)
		for _, tr := range c.trials[len(c.trials)-m.Spec.ParallelTrialCount:] {
			l, layers := math.Log10(float(tr, "lr")), float(tr, "layers")
			loss := (l+2)*(l+2) + (layers-3)*(layers-3)/10
			if value(tr, "optimizer") == "sgd" {
				loss++
			}
			lowest = min(lowest, loss)
			end(tr, api.TrialStatus_SUCCEEDED, fmt.Sprint(loss))
		}
	}
	assert.Less(t, lowest, 0.2)
}

package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"go.yaml.in/yaml/v3"

	"github.com/attune-hpo/attune/sampler/random"
	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/space/spaceyaml"
)

// configKey is the attribute of a study that keeps the configuration of the run that made it:
// a text, YAML.
const configKey = "config"

// A config is a run as a file: a value for each flag, by its name. Flags on the command line
// override it.
type config struct {
	file     string
	printing bool              // only print the configuration
	spaces   map[string]string // spaces in the file, as YAML, by model
	flags    *pflag.FlagSet
}

func (c *config) add(cmd *cobra.Command) {
	c.flags = cmd.Flags()
	c.flags.StringVar(&c.file, "config", "", "YAML `file` with values of these flags, by their names; flags on the command line override it")
	c.flags.BoolVar(&c.printing, "print-config", false, "print the configuration in YAML, with the values that were chosen, and do nothing else")
}

// unconfigured are the flags that a configuration does not have.
var unconfigured = []string{"config", "print-config", "print-space", "help", "quiet", "json"}

// read sets the flags that the file has and the command line does not.
func (c *config) read() error {
	if c.file == "" {
		return nil
	}
	data, err := os.ReadFile(c.file)
	if err != nil {
		return fmt.Errorf("--config: %w", err)
	}
	if err := c.apply(data); err != nil {
		return fmt.Errorf("--config %s: %w", c.file, err)
	}
	return nil
}

func (c *config) apply(data []byte) error {
	var doc yaml.Node
	d := yaml.NewDecoder(bytes.NewReader(data))
	if err := d.Decode(&doc); err == io.EOF {
		return errors.New("it is empty")
	} else if err != nil {
		return errors.New(strings.TrimPrefix(err.Error(), "yaml: "))
	}
	root := doc.Content[0]
	if root.Kind != yaml.MappingNode {
		return fmt.Errorf("line %d: want a name and a value on each line, such as trials: 50", root.Line)
	}
	var given []string
	c.flags.Visit(func(f *pflag.Flag) { given = append(given, f.Name) })
	seen := map[string]bool{}
	for i := 0; i < len(root.Content); i += 2 {
		key, value := root.Content[i], root.Content[i+1]
		fail := func(format string, args ...any) error {
			return fmt.Errorf("line %d: %s: %w", key.Line, key.Value, fmt.Errorf(format, args...))
		}
		f := c.flags.Lookup(key.Value)
		switch {
		case f == nil || slices.Contains(unconfigured, key.Value):
			return fmt.Errorf("line %d: there is no %s: the names are those of the flags, such as data, target, models, trials, space", key.Line, quote(key.Value))
		case seen[key.Value]:
			return fail("it occurs twice")
		}
		seen[key.Value] = true
		if slices.Contains(given, key.Value) {
			continue
		}
		texts, err := c.texts(key.Value, value)
		if err != nil {
			return fail("%w", err)
		}
		if list, ok := f.Value.(pflag.SliceValue); ok {
			err = list.Replace(texts)
			f.Changed = true
		} else {
			err = c.flags.Set(f.Name, strings.Join(texts, ","))
		}
		if err != nil {
			return fail("%s", strings.TrimPrefix(badFlag(err).Error(), "--"+f.Name+" "))
		}
	}
	return nil
}

// texts returns the values of a flag as on the command line.
func (c *config) texts(name string, value *yaml.Node) ([]string, error) {
	one := func(n *yaml.Node) (string, error) {
		if n.Kind != yaml.ScalarNode {
			return "", errors.New("want a text or a number")
		}
		return n.Value, nil
	}
	switch {
	case value.Kind == yaml.SequenceNode:
		var out []string
		for _, n := range value.Content {
			text, err := one(n)
			if err != nil {
				return nil, err
			}
			out = append(out, text)
		}
		return out, nil
	case value.Kind != yaml.MappingNode:
		text, err := one(value)
		return []string{text}, err
	}
	var out []string
	named := ""
	for i := 0; i < len(value.Content); i += 2 {
		key, n := value.Content[i].Value, value.Content[i+1]
		if name == "space" && !slices.Contains(models.names(), key) && !slices.Contains(tableStyles.names(), key) {
			return nil, fmt.Errorf("there is no model %s", quote(key))
		}
		if name == "space" && n.Kind != yaml.ScalarNode {
			inline, err := yaml.Marshal(n)
			if err != nil {
				return nil, err
			}
			if _, err := spaceyaml.Read(bytes.NewReader(inline)); err != nil {
				return nil, fmt.Errorf("%s: %w", key, err)
			}
			if c.spaces == nil {
				c.spaces = map[string]string{}
			}
			c.spaces[key] = string(inline)
			continue
		}
		text, err := one(n)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", key, err)
		}
		switch {
		case (name == "sampler" || name == "pruner") && key == "name":
			named = text
		case name == "sampler" || name == "pruner" || name == "fixed" || name == "space":
			out = append(out, key+"="+text)
		default:
			return nil, errors.New("want a value or a list")
		}
	}
	if name == "sampler" || name == "pruner" {
		if named == "" {
			return nil, errors.New("want its name, such as name: tpe, and then its settings")
		}
		if len(out) > 0 {
			named += ":" + strings.Join(out, ",")
		}
		return []string{named}, nil
	}
	return out, nil
}

// text returns the configuration as YAML: the flags that were given, those with another value
// because of the data, and the spaces of the models.
func (c *config) text(chosen map[string]string, spaces []modelSpace) (string, error) {
	root := &yaml.Node{Kind: yaml.MappingNode}
	put := func(name string, value *yaml.Node) {
		root.Content = append(root.Content, &yaml.Node{Kind: yaml.ScalarNode, Value: name}, value)
	}
	scalar := func(text string) *yaml.Node {
		n := new(yaml.Node)
		n.SetString(text)
		return n
	}
	c.flags.VisitAll(func(f *pflag.Flag) {
		value, some := chosen[f.Name]
		if f.Name == "space" || slices.Contains(unconfigured, f.Name) || !f.Changed && !some {
			return
		}
		if list, ok := f.Value.(pflag.SliceValue); ok && !some {
			n := &yaml.Node{Kind: yaml.SequenceNode, Style: yaml.FlowStyle}
			for _, text := range list.GetSlice() {
				n.Content = append(n.Content, scalar(text))
			}
			put(f.Name, n)
			return
		}
		if !some {
			value = f.Value.String()
		}
		n := &yaml.Node{Kind: yaml.ScalarNode, Value: value}
		if _, err := strconv.ParseFloat(value, 64); err != nil && f.Value.Type() != "bool" {
			n = scalar(value)
		}
		if f.Name == "models" {
			n = &yaml.Node{Kind: yaml.SequenceNode, Style: yaml.FlowStyle}
			for _, m := range strings.Split(value, ",") {
				n.Content = append(n.Content, scalar(m))
			}
		}
		put(f.Name, n)
	})
	all := &yaml.Node{Kind: yaml.MappingNode}
	for _, s := range spaces {
		if len(s.space) == 0 {
			continue
		}
		var b bytes.Buffer
		if err := spaceyaml.Write(&b, s.space); err != nil {
			return "", err
		}
		var doc yaml.Node
		if err := yaml.Unmarshal(b.Bytes(), &doc); err != nil {
			return "", err
		}
		all.Content = append(all.Content, scalar(s.model), doc.Content[0])
	}
	if len(all.Content) > 0 {
		put("space", all)
	}
	var b bytes.Buffer
	e := yaml.NewEncoder(&b)
	e.SetIndent(2)
	if err := e.Encode(root); err != nil {
		return "", err
	}
	return b.String(), e.Close()
}

// A modelSpace is the space that a model searches.
type modelSpace struct {
	model string
	space space.Space
}

// configuration returns the configuration of a run on series.
func (s *session) configuration() (string, error) {
	chosen := map[string]string{"models": strings.Join(s.models, ","), "metric": s.job.Metric, "horizon": strconv.Itoa(s.job.Horizon), "windows": strconv.Itoa(s.job.Windows),
		"step": strconv.Itoa(s.job.Step), "test": strconv.Itoa(s.job.Test), "seed": strconv.FormatUint(s.seed, 10), "sampler": s.search.sampler, "pruner": s.search.pruner}
	var spaces []modelSpace
	for _, p := range s.plans {
		spaces = append(spaces, modelSpace{p.job.Model, p.task("", 1).Config(random.Sampler{}, nil).Space})
	}
	return s.file.text(chosen, spaces)
}

// configuration returns the configuration of a run on a table.
func (s *tableSession) configuration() (string, error) {
	chosen := map[string]string{"task": s.job.Task, "models": strings.Join(s.models, ","), "metric": s.job.Metric, "folds": strconv.Itoa(s.job.Folds),
		"test": strconv.Itoa(s.job.Test), "seed": strconv.FormatUint(s.seed, 10), "sampler": s.search.sampler, "pruner": s.search.pruner}
	var spaces []modelSpace
	for _, p := range s.tasks {
		spaces = append(spaces, modelSpace{p.job.Model, p.task.Config(random.Sampler{}, nil).Space})
	}
	return s.file.text(chosen, spaces)
}

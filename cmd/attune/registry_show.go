package main

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/attune-hpo/attune/export/registry"
)

// A listed is a version with the facts that a list shows.
type listed struct {
	registry.Version
	Live     bool      `json:"live"`
	Promoted time.Time `json:"promoted,omitzero"` // time when it became live
}

// versions returns the versions of a model.
func versions(r *registry.Registry, name string) ([]listed, error) {
	all, err := r.Versions(name)
	if errors.Is(err, registry.ErrNotExist) || err == nil && len(all) == 0 {
		names, err := r.Names()
		if err != nil {
			return nil, err
		}
		if len(names) == 0 {
			return nil, fmt.Errorf("the registry has no model %s: it is empty", quote(name))
		}
		return nil, fmt.Errorf("the registry has no model %s: want one of %s", quote(name), strings.Join(names, ", "))
	}
	if err != nil {
		return nil, err
	}
	history, err := r.History(name)
	if err != nil {
		return nil, err
	}
	var out []listed
	for _, v := range all {
		out = append(out, newListed(v, history))
	}
	return out, nil
}

func newListed(v registry.Version, history []registry.Promotion) listed {
	l := listed{Version: v}
	if n := len(history); n > 0 && history[n-1].Number == v.Number {
		l.Live, l.Promoted = true, history[n-1].At
	}
	return l
}

func listCommand(dir *string) *cobra.Command {
	const usage = "list [NAME]"
	var format string
	cmd := &cobra.Command{
		Use:   usage,
		Short: "List the versions of all models, or of one, with dates and checksums",
		Example: `  attune registry list
  attune registry list passengers --format json`,
		Args: words(usage),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := oneOf("format", format, []string{"text", "json"}); err != nil {
				return err
			}
			r, err := openRegistry(*dir)
			if err != nil {
				return err
			}
			names := args
			if len(names) == 0 {
				if names, err = r.Names(); err != nil {
					return err
				}
			}
			all := []listed{}
			var damage error // damage in some models; the others are shown
			for _, name := range names {
				list, err := versions(r, name)
				if err != nil && (len(args) > 0 || !errors.Is(err, registry.ErrDamaged)) {
					return err
				}
				damage = cmp.Or(damage, err)
				all = append(all, list...)
			}
			if format == "json" {
				return cmp.Or(writeJSON(cmd.OutOrStdout(), all), damage)
			}
			t := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
			fmt.Fprintln(t, "model\tversion\tlive\tcreated\tfile\tbytes\tsha256")
			for _, v := range all {
				live := "-"
				if v.Live {
					live = "live"
				}
				for _, f := range v.Files {
					fmt.Fprintf(t, "%s\t%d\t%s\t%s\t%s\t%d\t%s\n", v.Name, v.Number, live, utc(v.Created), f.Name, f.Size, f.SHA256)
				}
			}
			return cmp.Or(t.Flush(), damage)
		},
	}
	formatFlag(cmd, &format, "text", "json")
	return cmd
}

// utc formats a time for people.
func utc(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }

func showCommand(dir *string) *cobra.Command {
	const usage = "show NAME [VERSION]"
	var format string
	cmd := &cobra.Command{
		Use:   usage,
		Short: "Show a version (default: the live one)",
		Example: `  attune registry show passengers
  attune registry show passengers 2`,
		Args: words(usage),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := oneOf("format", format, []string{"text", "json"}); err != nil {
				return err
			}
			number, err := versionNumber(args)
			if err != nil {
				return err
			}
			r, err := openRegistry(*dir)
			if err != nil {
				return err
			}
			v, err := show(r, args[0], number)
			if err != nil {
				return err
			}
			if format == "json" {
				return writeJSON(cmd.OutOrStdout(), v)
			}
			return v.write(cmd.OutOrStdout())
		},
	}
	formatFlag(cmd, &format, "text", "json")
	return cmd
}

// show returns a version of a model; number 0 means the live one.
func show(r *registry.Registry, name string, number int) (listed, error) {
	find := func() (registry.Version, error) { return r.Version(name, number) }
	if number == 0 {
		find = func() (registry.Version, error) { return r.Live(name) }
	}
	v, err := find()
	if err != nil {
		return listed{}, instead(r, name, number, err)
	}
	history, err := r.History(name)
	return newListed(v, history), err
}

// instead explains that a version does not exist, and lists those that do. It returns any
// other error unchanged.
func instead(r *registry.Registry, name string, number int, err error) error {
	if !errors.Is(err, registry.ErrNotExist) || errors.Is(err, registry.ErrDamaged) {
		return err
	}
	all, none := versions(r, name)
	if none != nil {
		return none
	}
	var numbers []string
	for _, v := range all {
		numbers = append(numbers, strconv.Itoa(v.Number))
	}
	switch {
	case number > 0:
		return fmt.Errorf("%s: there is no version %d: want one of %s", name, number, strings.Join(numbers, ", "))
	case !slices.ContainsFunc(all, func(v listed) bool { return v.Live }):
		return fmt.Errorf("%s: no version is live: promote one of %s", name, strings.Join(numbers, ", "))
	}
	return err
}

// repair returns the way out of damage to a registry, or "" for other errors.
func repair(err error) string {
	at := new(fs.PathError)
	switch {
	case !errors.Is(err, registry.ErrDamaged):
		return ""
	case errors.As(err, &at) && filepath.Base(at.Path) == "state":
		return fmt.Sprintf(": remove the file %s: then no version is live; promote one", short(at.Path))
	}
	return ": put back what was there, or delete the version: attune registry verify lists all damage"
}

// write writes a version for people.
func (v listed) write(w io.Writer) error {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s, version %d, created %s", v.Name, v.Number, utc(v.Created))
	if v.Live {
		fmt.Fprintf(&b, ", live since %s", utc(v.Promoted))
	}
	fmt.Fprintln(&b)
	if v.Note != "" {
		fmt.Fprintln(&b, v.Note)
	}
	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "files:")
	for _, f := range v.Files {
		at, err := v.Path(f.Name)
		if err != nil {
			return err
		}
		fmt.Fprintf(t, "  %s\t%d\t%s\n", short(at), f.Size, f.SHA256)
	}
	if len(v.Meta) > 0 {
		fmt.Fprintln(t, "meta:")
	}
	for _, key := range slices.Sorted(maps.Keys(v.Meta)) {
		fmt.Fprintf(t, "  %s\t%s\n", key, v.Meta[key])
	}
	t.Flush()
	_, err := w.Write(b.Bytes())
	return err
}

func verifyCommand(dir *string) *cobra.Command {
	return &cobra.Command{
		Use:     "verify",
		Short:   "Check the checksums of all files",
		Example: "  attune registry verify",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			r, err := openRegistry(*dir)
			if err != nil {
				return err
			}
			damage, err := r.Verify(cmd.Context())
			if err != nil {
				return err
			}
			for _, d := range damage {
				fmt.Fprintln(cmd.OutOrStdout(), plain(d))
			}
			if n := len(damage); n > 0 {
				return fmt.Errorf("--registry %s: %d files are damaged", *dir, n)
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s: nothing is damaged\n", *dir)
			return err
		},
	}
}

package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// formatFlag adds --format. The first of the values is the default.
func formatFlag(cmd *cobra.Command, format *string, values ...string) {
	cmd.Flags().StringVar(format, "format", values[0], "output `format`: "+strings.Join(values, ", "))
	complete(cmd, "format", values...)
}

// oneOf fails unless a flag's value is one of values.
func oneOf(flag, value string, values []string) error {
	for _, v := range values {
		if v == value {
			return nil
		}
	}
	return fmt.Errorf("--%s %s: want one of %s", flag, quote(value), strings.Join(values, ", "))
}

// complete completes a flag with fixed values.
func complete(cmd *cobra.Command, flag string, values ...string) {
	must(cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp)))
}

// required fails if a required flag of the command is not given.
func required(cmd *cobra.Command) (err error) {
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if need := f.Annotations[cobra.BashCompOneRequiredFlag]; err == nil && !f.Changed && len(need) > 0 && need[0] == "true" {
			value, _ := pflag.UnquoteUsage(f)
			err = fmt.Errorf("--%s is missing: want a %s: see %s --help", f.Name, value, cmd.CommandPath())
		}
	})
	return err
}

// quote quotes an argument for a shell, if necessary.
func quote(s string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("/._-+:@%,", r)
	}
	if s != "" && strings.IndexFunc(s, func(r rune) bool { return !plain(r) }) < 0 {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// must panics on an error that only a mistake in this program can cause.
func must(err error) {
	if err != nil {
		panic(err)
	}
}

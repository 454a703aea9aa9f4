package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
	"github.com/spf13/pflag"

	"mock-ec2-metadata/internal/cli"
	"mock-ec2-metadata/internal/kubecli"
)

// programs are the command trees of the two programs.
func programs(version string) []*cobra.Command {
	return []*cobra.Command{
		cli.Commands(cli.Process{Version: version}),
		cli.Commands(cli.Process{Version: version, Name: "mock-ec2-metadata-kube", Extension: kubecli.New(version)}),
	}
}

// writeCommandPages writes a page of section 1 for each command of a program. It changes the tree, which is for this alone.
func writeCommandPages(root *cobra.Command, dir string, r release) error {
	root.DisableAutoGenTag = true
	escapeTree(root)
	return writePages(root, dir, r)
}

// writePages writes the page of a command and those of the commands below it.
func writePages(cmd *cobra.Command, dir string, r release) error {
	var page bytes.Buffer
	if err := doc.GenMan(cmd, &doc.GenManHeader{Section: "1", Date: &r.date, Source: manual + " " + r.version, Manual: manual}, &page); err != nil {
		return err
	}
	text := append(bytes.TrimRight(page.Bytes(), "\n"), ", \\fBmock-ec2-metadata(5)\\fP\n"...) // it ends with SEE ALSO
	name := strings.ReplaceAll(cmd.CommandPath(), " ", "-") + ".1"
	if err := os.WriteFile(filepath.Join(dir, name), asciiRoff(text), 0o644); err != nil {
		return err
	}
	for _, child := range cmd.Commands() {
		if !child.IsAvailableCommand() || child.IsAdditionalHelpTopicCommand() {
			continue
		}
		if err := writePages(child, dir, r); err != nil {
			return err
		}
	}
	return nil
}

// escapeTree makes Markdown, which cobra/doc takes texts for, of the plain texts of a command and those below it.
func escapeTree(cmd *cobra.Command) {
	cmd.InitDefaultHelpFlag()
	cmd.Short, cmd.Long, cmd.Use = escapeLine(cmd.Short), escapeText(cmd.Long), escapeUse(cmd.Use)
	escape := func(f *pflag.Flag) {
		parts := strings.SplitN(f.Usage, "`", 3) // the value's name is between back quotes
		for i := range parts {
			parts[i] = escapeLine(parts[i])
		}
		f.Usage = strings.Join(parts, "*")
	}
	cmd.LocalNonPersistentFlags().VisitAll(escape)
	cmd.PersistentFlags().VisitAll(escape)
	for _, child := range cmd.Commands() {
		escapeTree(child)
	}
}

// escapeUse escapes what follows the name: the name is also that of the page's file.
func escapeUse(use string) string {
	name, rest, found := strings.Cut(use, " ")
	if !found {
		return use
	}
	return name + " " + escapeLine(rest)
}

// escapeLine escapes the characters that mean something in Markdown.
func escapeLine(text string) string {
	return markdownSpecial.Replace(text)
}

var markdownSpecial = strings.NewReplacer(
	`\`, `\\`, "`", "\\`", "*", `\*`, "_", `\_`, "[", `\[`, "]", `\]`, "<", `\<`, ">", `\>`, "{", `\{`, "}", `\}`, "~", `\~`,
)

// escapeText escapes a text of several lines. Indented lines are examples: they become a block of code.
func escapeText(text string) string {
	var out strings.Builder
	code := false
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		indented := strings.HasPrefix(line, "  ") || strings.HasPrefix(line, "\t")
		if line == "" && code { // a blank line between two examples
			indented = i+1 < len(lines) && strings.HasPrefix(lines[i+1], "  ")
		}
		if indented != code {
			out.WriteString("\n```\n")
			code = indented
			if !code && line == "" {
				continue
			}
		}
		if code {
			out.WriteString(strings.TrimPrefix(line, "  ") + "\n")
		} else {
			out.WriteString(escapeLine(line) + "\n")
		}
	}
	if code {
		out.WriteString("```\n")
	}
	return strings.TrimRight(out.String(), "\n")
}

// writeCompletions writes what bash, zsh and fish need to complete a program's command lines, named as each shell looks for it.
func writeCompletions(root *cobra.Command, dir string) error {
	name := root.Name()
	for file, generate := range map[string]func(*os.File) error{
		name + ".bash": func(f *os.File) error { return root.GenBashCompletionV2(f, true) },
		"_" + name:     func(f *os.File) error { return root.GenZshCompletion(f) },
		name + ".fish": func(f *os.File) error { return root.GenFishCompletion(f, true) },
	} {
		f, err := os.Create(filepath.Join(dir, file))
		if err != nil {
			return err
		}
		if err := generate(f); err != nil {
			return err
		}
		if err := f.Close(); err != nil {
			return err
		}
	}
	return nil
}

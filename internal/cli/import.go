package cli

import (
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"mock-ec2-metadata/internal/app"
	"mock-ec2-metadata/internal/config"
	"mock-ec2-metadata/internal/importer"
)

// importFlags are those of the command import.
type importFlags struct {
	importer.Options
	match  string
	output string
	force  bool
	strict bool
	quiet  bool
	importSources
}

func newImport(environ []string) *cobra.Command {
	f := importFlags{importSources: importSources{environ: environ, limits: usualCrawl()}}
	cmd := &cobra.Command{
		Use:   "import [FILE|-]...",
		Short: "Write a configuration from what describe-instances and other tools say of instances",
		Long: `import reads what other tools say of one or more instances, and prints a configuration that imitates them. It reads files in
JSON or YAML, or standard input if you name none or write -. It sends nothing to AWS.

  aws ec2 describe-instances | mock-ec2-metadata import > conf/config.yaml
  aws ec2 describe-instances --instance-ids i-0123456789abcdef0 > i.json
  aws ec2 describe-subnets > subnets.json
  aws ec2 describe-vpcs > vpcs.json
  mock-ec2-metadata import i.json subnets.json vpcs.json --output conf/config.yaml

Each file is known by its keys. The answers of describe-subnets, describe-vpcs, describe-instance-types, describe-key-pairs
--include-public-key, describe-instance-attribute --attribute userData and iam get-instance-profile complete describe-instances.

Of several instances, each becomes an entry of clients with a listener of its own, from 127.0.0.1:5001 on, or with --match address
for clients at the instance's own addresses. What all share stands at the top.

The configuration has only the keys that change an answer. Standard error says what could not be carried over (lost), what the
input does not say (guessed), and what was left out (skipped). Credentials are never written: the role's are made up, or with
--source-profile got by a profile of ~/.aws. The result is checked as the command check does before a byte is written.

The global flags are those of the daemon. import refuses them.

Exit codes: 0 written; 1 the input or the result is wrong, nothing is left, or the output exists; 2 wrong command line; 3 --strict,
and something is lost.`,
		Args: func(cmd *cobra.Command, args []string) error { return f.checkArgs(cmd, args) },
		RunE: func(cmd *cobra.Command, _ []string) error { return runImport(cmd, &f, f.files) },
	}
	cmd.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		if _, ok := errors.AsType[*pflag.NotExistError](err); ok {
			return usagef(cmd, "%v; the flags of another tool stand behind --", err)
		}
		return &usageError{err}
	})
	f.define(cmd)
	return cmd
}

// define defines the flags and what the shell completes for them.
func (f *importFlags) define(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.output, "output", "", "write to a new `FILE`, which only you can read, instead of standard output")
	flags.BoolVar(&f.force, "force", false, "with --output, replace a file that exists")
	flags.StringArrayVar(&f.Instances, "instance", nil, "`ID` of an instance to take; repeatable; default all")
	flags.BoolVar(&f.All, "all", false, "take stopped and terminated instances, too")
	flags.StringVar(&f.match, "match", "listen", "how the clients of several instances are told apart, `WORD`: listen or address")
	flags.IntVar(&f.BasePort, "base-port", 5001, "first `PORT` of the listeners of several instances")
	flags.StringVar(&f.SourceProfile, "source-profile", "", "get credentials of the role by a `PROFILE` of ~/.aws, instead of made-up ones")
	flags.BoolVar(&f.UserData, "user-data", false, "write user data, too, which may hold secrets")
	flags.BoolVar(&f.HopLimit, "hop-limit", false, "take over HttpPutResponseHopLimit; less than 64 needs Linux")
	flags.StringVar(&f.As, "as", "", "`KIND` of the input, if its keys do not tell: "+strings.Join(importer.Kinds(), ", "))
	flags.BoolVar(&f.strict, "strict", false, "write nothing and exit 3 if something is lost")
	flags.BoolVar(&f.quiet, "quiet", false, "print no notes to standard error")
	f.importSources.define(cmd)
	completeFlag(cmd, "match", []string{"listen", "address"})
	completeFlag(cmd, "as", importer.Kinds())
	for _, flag := range []string{"instance", "base-port", "source-profile", "from-imds"} {
		completeFlag(cmd, flag, nil)
	}
	cmd.ValidArgsFunction = cobra.FixedCompletions([]string{"json", "yaml", "yml"}, cobra.ShellCompDirectiveFilterFileExt)
}

// checkArgs checks the command line.
func (f *importFlags) checkArgs(cmd *cobra.Command, args []string) error {
	ofDaemon := ""
	cmd.InheritedFlags().VisitAll(func(f *pflag.Flag) {
		if f.Changed {
			ofDaemon = f.Name
		}
	})
	if ofDaemon != "" {
		return usagef(cmd, "--%s is of the daemon, and an import reads its input alone; edit the result, or give --%[1]s to serve", ofDaemon)
	}
	stdin := 0
	for _, arg := range args {
		switch arg {
		case "":
			return usagef(cmd, "a file has no name; leave it out for standard input")
		case "-":
			stdin++
		}
	}
	switch {
	case stdin > 1:
		return usagef(cmd, "- is there twice; standard input can be read once")
	case f.match != "listen" && f.match != "address":
		return usagef(cmd, "--match %q is neither listen nor address", f.match)
	case f.force && f.output == "" && f.fromIMDS == "":
		return usagef(cmd, "--force needs --output or --from-imds")
	case cmd.Flags().Changed("output") && f.output == "":
		return usagef(cmd, "--output names no file; write e.g. --output conf/config.yaml")
	case f.output == "-":
		return usagef(cmd, "--output names a file; leave it out for standard output")
	case cmd.Flags().Changed("source-profile") && f.SourceProfile == "":
		return usagef(cmd, "--source-profile names no profile; write e.g. --source-profile default")
	case f.BasePort < 1 || f.BasePort > 65535:
		return usagef(cmd, "--base-port %d is not from 1 to 65535", f.BasePort)
	case cmd.Flags().Changed("as") && !slices.Contains(importer.Kinds(), f.As):
		return usagef(cmd, "--as %q is no kind of input; write one of %s", f.As, strings.Join(importer.Kinds(), ", "))
	case slices.Contains(f.Instances, ""):
		return usagef(cmd, "--instance names no instance; write e.g. --instance i-0123456789abcdef0")
	}
	f.ByAddress = f.match == "address"
	return f.check(cmd, f, args)
}

func runImport(cmd *cobra.Command, f *importFlags, files []string) error {
	if err := checkOutput(f.output, f.force); err != nil {
		return err
	}
	result, err := f.read(cmd.Context(), f)
	if err == nil && result == nil {
		result, err = readFiles(cmd.InOrStdin(), f, files)
	}
	if err != nil {
		return err
	}
	return writeImport(cmd, f, result)
}

// readFiles reads the files, or with a line behind -- no standard input in place of them.
func readFiles(stdin io.Reader, f *importFlags, files []string) (*importer.Result, error) {
	opt := f.Options
	opt.Args = f.line
	var inputs []importer.Input
	if f.line == nil || len(files) > 0 {
		var err error
		if inputs, err = readInputs(stdin, files); err != nil {
			return nil, err
		}
	}
	return importer.Read(inputs, opt)
}

// writeImport prunes, checks and writes what was imported.
func writeImport(cmd *cobra.Command, f *importFlags, result *importer.Result) error {
	if err := fit(result, f.Options); err != nil {
		return err
	}
	if err := prune(result.Instances); err != nil {
		return err
	}
	document, err := result.Merge(f.Options)
	if err != nil {
		return err
	}
	text, err := importer.YAML(result.Source, document)
	if err != nil {
		return err
	}
	if err := checkImport(text, result.Instances); err != nil {
		return err
	}
	lost := printNotes(cmd.ErrOrStderr(), result, f.quiet)
	if f.strict && lost > 0 {
		return &exitError{exitLost, fmt.Errorf("--strict: %d lost, so nothing is written; leave out --strict to take the rest", lost)}
	}
	if f.output != "" {
		return writeOutput(f.output, text, f.force)
	}
	if _, err := cmd.OutOrStdout().Write(text); err != nil {
		return fileError("standard output", "cannot be written", err)
	}
	return nil
}

// exitLost is the exit code of --strict.
const exitLost = 3

// checkImport loads a configuration of instances as the command check does, without the user's environment.
func checkImport(text []byte, all []*importer.Instance) error {
	loaded, err := config.Load(config.Sources{Text: text})
	if err != nil {
		return invalid(err, all)
	}
	if _, err := app.Check(loaded); err != nil {
		return invalid(err, all)
	}
	if _, _, err := app.DescribeSimulation(loaded); err != nil {
		return invalid(err, all)
	}
	return nil
}

// ofClient matches the beginning of a line about a key of an entry of clients, which has one instance.
var ofClient = regexp.MustCompile(`(?m)^clients\[(\d+)\]\.`)

// invalid says that the input leads to a configuration that does not load. err has a line for each problem, which names the instance.
func invalid(err error, all []*importer.Instance) error {
	text := ofClient.ReplaceAllStringFunc(strings.ReplaceAll(err.Error(), "embedded default: ", ""), func(beginning string) string {
		if n, err := strconv.Atoi(ofClient.FindStringSubmatch(beginning)[1]); err == nil && n < len(all) && all[n].ID != "" {
			return all[n].ID + ": "
		}
		return beginning
	})
	return fmt.Errorf("the input has values that no configuration can have:\n%s", text)
}

// printNotes prints the notes, a line each, and returns how many are about what is lost.
func printNotes(w io.Writer, result *importer.Result, quiet bool) (lost int) {
	var out strings.Builder
	for _, n := range result.AllNotes() {
		if n.Kind == importer.Lost {
			lost++
		}
		fmt.Fprintf(&out, "import: %s\n", strings.ReplaceAll(printable(n.String()), "\n", " "))
	}
	switch n := result.NotNeeded; n {
	case 0:
	case 1:
		out.WriteString("import: not needed: 1 field\n")
	default:
		fmt.Fprintf(&out, "import: not needed: %d fields\n", n)
	}
	if !quiet {
		_, _ = io.WriteString(w, out.String()) // as with all messages
	}
	return lost
}

package cli

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"gopkg.in/yaml.v3"

	"mock-ec2-metadata/internal/importer"
	"mock-ec2-metadata/internal/tree"
)

// importSources are the flags that take something else than files.
type importSources struct {
	aemm     bool
	fromIMDS string // URL of a metadata service; "" for none
	// line are the arguments behind --, nil without --.
	line []string
	// files are the other arguments.
	files   []string
	environ []string
	limits  crawlLimits
}

func (s *importSources) define(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.BoolVar(&s.aemm, "aemm", false, "read the line after --, AEMM_… and the file as amazon-ec2-metadata-mock does")
	flags.StringVar(&s.fromIMDS, "from-imds", "", "read a running metadata service at a `URL`, without one "+ec2Service)
	flags.Lookup("from-imds").NoOptDefVal = ec2Service
}

// check takes the arguments that are no files away, and refuses what does not go together.
func (s *importSources) check(cmd *cobra.Command, f *importFlags, args []string) error {
	files := args
	s.line = nil
	if at := cmd.ArgsLenAtDash(); at >= 0 {
		files, s.line = args[:at], append([]string{}, args[at:]...)
	}
	service := cmd.Flags().Changed("from-imds")
	switch {
	case s.aemm && service:
		return usagef(cmd, "--aemm and --from-imds exclude each other; leave one out")
	case s.aemm && s.line == nil:
		return usagef(cmd, "--aemm needs the line of amazon-ec2-metadata-mock behind --, such as --aemm -- spot --action stop")
	case s.aemm && len(files) > 0:
		return usagef(cmd, "--aemm reads the file that the line behind -- names; leave %q out", files[0])
	case s.aemm && cmd.Flags().Changed("as") && f.As != "aemm":
		return usagef(cmd, "--aemm and --as %s exclude each other; leave one out", f.As)
	case s.line != nil && !s.aemm && f.As != "flags":
		return usagef(cmd, "what is behind -- needs --aemm or --as flags; for a file whose name starts with a hyphen write ./%s", strings.Join(s.line[:min(1, len(s.line))], ""))
	case service && f.As != "":
		return usagef(cmd, "--from-imds and --as exclude each other; leave one out")
	case service && len(files) == 1 && s.fromIMDS == ec2Service: // --from-imds URL without =
		s.fromIMDS, files = files[0], nil
	case service && len(files) > 0:
		return usagef(cmd, "--from-imds reads no files; leave %q out", files[0])
	}
	if service {
		if _, err := serviceURL(s.fromIMDS, f.force); err != nil {
			return usagef(cmd, "--from-imds: %v", err)
		}
	}
	s.files = files
	return nil
}

// read reads what the flags name; nil for files.
func (s *importSources) read(ctx context.Context, f *importFlags) (*importer.Result, error) {
	switch {
	case s.fromIMDS != "":
		return s.service(ctx, f)
	case s.aemm:
		return s.amazonMock(f)
	default:
		return nil, nil
	}
}

// service reads a running metadata service.
func (s *importSources) service(ctx context.Context, f *importFlags) (*importer.Result, error) {
	base, err := serviceURL(s.fromIMDS, f.force)
	if err != nil {
		return nil, err
	}
	c, err := crawl(ctx, base, s.limits, f.UserData, nil)
	if err != nil {
		return nil, importer.RedactError(err)
	}
	result := c.found.Read(f.Options)
	if err := fit(result, f.Options); err != nil {
		return nil, err
	}
	return result, removeOthers(result.Instances[0], c)
}

// removeOthers adds a null for each value that the instance would have and that the service has not.
func removeOthers(in *importer.Instance, c *imdsCrawler) error {
	s, err := newPruner().subject(in)
	if err != nil {
		return err
	}
	snapshot, err := tree.New(s.made, nil)
	if err != nil {
		return err
	}
	removed := ""
	events := slices.ContainsFunc(in.Keys, func(k importer.Key) bool { return k.Path[0] == "events" })
	for _, path := range snapshot.Paths() { // sorted: a directory is before what is in it
		path = strings.TrimPrefix(path, "/latest/")
		if removed != "" && strings.HasPrefix(path, removed) || !strings.HasPrefix(path, "meta-data/") && !strings.HasPrefix(path, "dynamic/") {
			continue
		}
		dir := strings.HasSuffix(path, "/")
		_, has := c.found.Leaves[path]
		switch {
		case has, c.found.Lost[path] != "", path == "meta-data/", path == "dynamic/", path == "dynamic/fws/", strings.HasPrefix(path, "meta-data/iam/"):
			continue
		case events && strings.HasPrefix(path, "meta-data/events/"):
			continue // a maintenance event needs both of its lists
		case dir && c.has(path):
			continue
		case !importer.Wanted(path) && (c.listed[path] || !c.read[path[:strings.LastIndexByte(strings.TrimSuffix(path, "/"), '/')+1]]):
			continue // it was not asked for, such as a signature, and a listing has it or was not asked for either
		}
		if dir {
			removed = path
		}
		key := importer.Key{Path: []string{"metadata", strings.TrimSuffix(path, "/")}, Value: &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!null", Value: "null"}}
		in.Keys = append(in.Keys, key)
	}
	return nil
}

// has reports whether the service lists a directory, or has values in it.
func (c *imdsCrawler) has(dir string) bool {
	if c.listed[dir] || c.listed[strings.TrimSuffix(dir, "/")] {
		return true
	}
	for path := range c.found.Leaves {
		if strings.HasPrefix(path, dir) {
			return true
		}
	}
	return false
}

// amazonMock reads what amazon-ec2-metadata-mock would: its line, its variables and its file.
func (s *importSources) amazonMock(f *importFlags) (*importer.Result, error) {
	opt := f.Options
	opt.As, opt.Args, opt.Environ = "aemm", s.line, s.environ
	name, err := importer.AEMMFile(s.line, s.environ)
	if err != nil {
		return nil, &usageError{importer.RedactError(err)}
	}
	if name == "" {
		name = s.homeConfig()
	}
	var inputs []importer.Input
	if name != "" {
		in, err := readInput(nil, name, maxImport)
		if err != nil {
			return nil, err
		}
		inputs = append(inputs, in)
	}
	return importer.Read(inputs, opt)
}

// homeConfig is the file that amazon-ec2-metadata-mock looks for without being told; "" if there is none.
func (s *importSources) homeConfig() string {
	for _, entry := range s.environ {
		home, ok := strings.CutPrefix(entry, "HOME=")
		if !ok || home == "" {
			continue
		}
		for _, end := range []string{"json", "yaml", "yml"} {
			name := filepath.Join(home, "aemm-config."+end)
			if _, err := os.Stat(name); err == nil {
				return name
			}
		}
	}
	return ""
}

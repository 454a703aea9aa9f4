package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"mock-ec2-metadata/internal/config"
	"mock-ec2-metadata/internal/importer"
	"mock-ec2-metadata/internal/testutil"
)

const oneInstance = `{"InstanceId": "i-0123456789abcdef1", "PrivateIpAddress": "10.0.0.11", "KeyName": "k"}`

// runImportCommand runs a command line with an instance as standard input.
func runImportCommand(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = Run(t.Context(), Process{Args: append([]string{"import"}, args...), Stdin: strings.NewReader(oneInstance), Stdout: &out, Stderr: &errs, Version: "test"})
	return code, out.String(), errs.String()
}

func TestImport_OutputIsANewFileOfItsOwner(t *testing.T) {
	name := filepath.Join(t.TempDir(), "config.yaml")
	code, stdout, stderr := runImportCommand(t, "--output", name, "--quiet")
	if code != 0 || stdout != "" || stderr != "" {
		t.Errorf("exit %d, %q, %q", code, stdout, stderr)
	}
	info, err := os.Stat(name)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	_, want, _ := runImportCommand(t)
	if got, err := os.ReadFile(name); err != nil || string(got) != want {
		t.Errorf("%v\n%s", err, got)
	}
}

func TestImport_OutputThatExistsIsRefused(t *testing.T) {
	name := testutil.WriteTemp(t, "config.yaml", "mine: true\n")
	code, _, stderr := runImportCommand(t, "--output", name)
	want := "mock-ec2-metadata: " + name + ": exists; choose another name, or replace it with --force\n"
	if got, err := os.ReadFile(name); code != 1 || stderr != want || err != nil || string(got) != "mine: true\n" {
		t.Errorf("exit %d, %q, %v, file %q", code, stderr, err, got)
	}
}

func TestImport_OutputIsForced(t *testing.T) {
	name := testutil.WriteTemp(t, "config.yaml", "mine: true\n")
	if err := os.Chmod(name, 0o644); err != nil {
		t.Fatal(err)
	}
	code, _, stderr := runImportCommand(t, "--output", name, "--force")
	got, err := os.ReadFile(name)
	if code != 0 || err != nil || !strings.HasPrefix(string(got), "# From describe-instances, by mock-ec2-metadata import.\n") {
		t.Errorf("exit %d, %q, %v, file %q", code, stderr, err, got)
	}
	if info, err := os.Stat(name); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
}

func TestImport_FailuresLeaveNoFile(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "config.yaml")
	if err := os.Mkdir(filepath.Join(dir, "sub"), 0o750); err != nil {
		t.Fatal(err)
	}
	socket := filepath.Join(t.TempDir(), "s")
	listener, err := new(net.ListenConfig).Listen(t.Context(), "unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	tests := []struct {
		name string
		args []string
		code int
		want string
	}{
		{"strict", []string{"--output", name, "--strict"}, 3, "--strict: 1 lost, so nothing is written; leave out --strict to take the rest"},
		{"no such file", []string{"--output", name, filepath.Join(dir, "none.json")}, 1, filepath.Join(dir, "none.json") + ": cannot be read: no such file or directory"},
		{"a directory to read", []string{"--output", name, dir}, 1, dir + ": cannot be read: is a directory"},
		{"a directory to write", []string{"--output", filepath.Join(dir, "sub"), "--force"}, 1, filepath.Join(dir, "sub") + ": is a directory; name a file in it"},
		{"no directory", []string{"--output", filepath.Join(dir, "none", "c.yaml")}, 1, filepath.Join(dir, "none", "c.yaml") + ": cannot be written: no such file or directory"},
		{"a socket", []string{"--output", socket, "--force"}, 1, socket + ": is not a regular file; choose another name"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			code, stdout, stderr := runImportCommand(t, append(tt.args, "--quiet")...)
			if code != tt.code || stdout != "" || stderr != "mock-ec2-metadata: "+tt.want+"\n" {
				t.Errorf("exit %d, %q, %q, want %q", code, stdout, stderr, tt.want)
			}
		})
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
		t.Errorf("%v, %v", entries, err)
	}
}

func TestWriteOutput_FailedRenameLeavesNoFileBeside(t *testing.T) {
	dir := t.TempDir()
	name := testutil.Write(t, filepath.Join(dir, "config.yaml"), "mine: true\n")
	if err := writeOutput(name, []byte("x"), false); err == nil || !strings.Contains(err.Error(), "exists") {
		t.Errorf("%v", err)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
		t.Errorf("%v, %v", entries, err)
	}
}

func TestImport_WrongCommandLines(t *testing.T) {
	for args, want := range map[string]string{
		"- -":                        "import: - is there twice; standard input can be read once",
		"--match port":               `import: --match "port" is neither listen nor address`,
		"--force":                    "import: --force needs --output or --from-imds",
		"--output -":                 "import: --output names a file; leave it out for standard output",
		"--output=":                  "import: --output names no file; write e.g. --output conf/config.yaml",
		"--source-profile=":          "import: --source-profile names no profile; write e.g. --source-profile default",
		"--base-port 0":              "import: --base-port 0 is not from 1 to 65535",
		"--base-port 65536":          "import: --base-port 65536 is not from 1 to 65535",
		"--as x":                     `import: --as "x" is no kind of input; write one of ` + strings.Join(importer.Kinds(), ", "),
		"--instance=":                "import: --instance names no instance; write e.g. --instance i-0123456789abcdef0",
		"--nothing":                  "import: unknown flag: --nothing; the flags of another tool stand behind --",
		"--aemm spot --action stop":  "import: unknown flag: --action; the flags of another tool stand behind --",
		"--set ec2.ipv6=2001:db8::1": "import: --set is of the daemon, and an import reads its input alone; edit the result, or give --set to serve",
		"--config c.yaml x.json":     "import: --config is of the daemon, and an import reads its input alone; edit the result, or give --config to serve",
		"--base-port x":              `invalid argument "x" for "--base-port" flag: strconv.ParseInt: parsing "x": invalid syntax`,
		"--output a.yaml --force=":   `invalid argument "" for "--force" flag: strconv.ParseBool: parsing "": invalid syntax`,
	} {
		t.Run(args, func(t *testing.T) {
			code, stdout, stderr := runImportCommand(t, strings.Fields(args)...)
			if code != 2 || stdout != "" || stderr != "mock-ec2-metadata: "+want+"\nmock-ec2-metadata import --help shows the commands and flags.\n" {
				t.Errorf("exit %d, %q, %q", code, stdout, stderr)
			}
		})
	}
}

// TestImport_OrderDoesNotMatter shuffles lists whose order says nothing, in each golden.
func TestImport_OrderDoesNotMatter(t *testing.T) {
	unordered := []string{"Reservations", "Instances", "NetworkInterfaces", "Tags", "Subnets", "Vpcs"}
	for _, c := range ofFiles(t) {
		t.Run(c.name, func(t *testing.T) {
			inputs := c.inputs()
			want := imported(t, inputs, c.options(), true)
			random := rand.New(rand.NewPCG(1, 2))
			slices.Reverse(inputs)
			for i, in := range inputs {
				var value any
				if json.Unmarshal(in.Content, &value) != nil {
					continue // YAML
				}
				shuffle(random, value, unordered)
				inputs[i] = jsonInput(t, in.Name, value)
			}
			if got := imported(t, inputs, c.options(), true); !bytes.Equal(got, want) {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
		})
	}
}

// shuffle shuffles the lists at some keys.
func shuffle(random *rand.Rand, value any, keys []string) {
	switch v := value.(type) {
	case []any:
		for _, e := range v {
			shuffle(random, e, keys)
		}
	case map[string]any:
		for key, e := range v {
			shuffle(random, e, keys)
			if list, ok := e.([]any); ok && slices.Contains(keys, key) {
				random.Shuffle(len(list), func(a, b int) { list[a], list[b] = list[b], list[a] })
			}
		}
	}
}

func TestImport_ManyInstancesAreQuick(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	var instances []any
	for i := range 200 {
		in := randomInstance(random, i%4)
		in["InstanceId"] = fmt.Sprintf("i-%017x", i)
		delete(in, "IamInstanceProfile")
		instances = append(instances, in)
	}
	inputs := []importer.Input{jsonInput(t, "in.json", map[string]any{"Reservations": []any{map[string]any{"Instances": instances}}})}
	loads := testing.AllocsPerRun(1, func() { imported(t, inputs, importer.Options{BasePort: 5001}, true) })
	if most := 900_000.0; loads > most { // the time depends on the machine; trying each pair of instances takes 100 times as many
		t.Errorf("%.0f allocations, want at most %.0f", loads, most)
	}
}

func TestImport_HelpAndCompletion(t *testing.T) {
	code, stdout, _ := runImportCommand(t, "--help")
	for _, want := range []string{"aws ec2 describe-instances | mock-ec2-metadata import > conf/config.yaml", "--output FILE", "--match WORD", "Exit codes: 0 written"} {
		if code != 0 || !strings.Contains(stdout, want) {
			t.Errorf("the help lacks %q", want)
		}
	}
	for line, want := range map[string]string{
		"--match ":  "listen\naddress\n:4\n",
		"--as ":     strings.Join(importer.Kinds(), "\n") + "\n:4\n",
		"":          "json\nyaml\nyml\n:8\n",
		"--source-": "--source-profile\tget credentials of the role by a `PROFILE` of ~/.aws, instead of made-up ones\n:4\n",
	} {
		var out bytes.Buffer
		Run(t.Context(), Process{Args: append([]string{"__complete", "import"}, strings.Split(line, " ")...), Stdout: &out, Stderr: &bytes.Buffer{}})
		if out.String() != want {
			t.Errorf("%q completes to %q, want %q", line, out.String(), want)
		}
	}
}

func TestImport_NothingWarnsOfWhatTheInputHas(t *testing.T) {
	for _, c := range successful(t) {
		loaded, err := config.Load(config.Sources{Text: []byte(c.section("stdout"))})
		if err != nil {
			t.Fatal(err)
		}
		if odd := c.name == "place-odd-partition"; (len(loaded.Warnings) > 0) != odd {
			t.Errorf("%s: warnings %q", c.name, loaded.Warnings)
		}
	}
}

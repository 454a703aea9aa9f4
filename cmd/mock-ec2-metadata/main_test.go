package main

import (
	"net/http"
	"os"
	"os/exec"
	"syscall"
	"testing"

	"mock-ec2-metadata/internal/testutil"
)

// asCommand has the test binary run main, in a process of its own.
const asCommand = "MAIN_TEST_AS_COMMAND"

func TestMain(m *testing.M) {
	if os.Getenv(asCommand) != "" {
		main()
	}
	os.Exit(m.Run())
}

// command runs main with arguments, in an environment without SUDO_UID, so that it stays the user that runs the test.
func command(t *testing.T, args ...string) (cmd *exec.Cmd, stdout, stderr *testutil.Buffer) {
	t.Helper()
	executable, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	stdout, stderr = new(testutil.Buffer), new(testutil.Buffer)
	cmd = exec.CommandContext(t.Context(), executable, args...)
	cmd.Env = append(os.Environ(), asCommand+"=1", "SUDO_UID=", "GORACE=atexit_sleep_ms=0")
	cmd.Stdout, cmd.Stderr = stdout, stderr
	return cmd, stdout, stderr
}

func TestMain_ExitsWithTheCommandsCode(t *testing.T) {
	testutil.IsolateHome(t)
	for _, tt := range []struct {
		arg  string
		code int
	}{{"version", 0}, {"check", 0}, {"healthcheck", 1}, {"brew", 2}} {
		t.Run(tt.arg, func(t *testing.T) {
			cmd, _, stderr := command(t, tt.arg, "--listen", testutil.FreeAddr(t))
			_ = cmd.Run()
			if got := cmd.ProcessState.ExitCode(); got != tt.code {
				t.Errorf("exit %d, want %d\n%s", got, tt.code, stderr)
			}
		})
	}
}

// TestMain_HidesWhatProcessesPrint has a credential_process that prints secrets to both of its outputs.
func TestMain_HidesWhatProcessesPrint(t *testing.T) {
	testutil.IsolateHome(t)
	testutil.Write(t, ".aws/config", "[default]\ncredential_process = sh -c \"echo TELLTALE-stdout; echo TELLTALE-stderr >&2; exit 1\"\n")
	const problem = `profile "default": its credential_process failed or printed something other than credentials; run the command by hand to see why`
	hidden := func(t *testing.T, outputs ...*testutil.Buffer) {
		t.Helper()
		for _, output := range outputs {
			if output.Contains("TELLTALE") {
				t.Errorf("it is shown:\n%s", output)
			}
		}
	}
	t.Run("check", func(t *testing.T) {
		cmd, stdout, stderr := command(t, "check", "--credentials", "--set", "credentials.source_profile=default")
		if err := cmd.Run(); err == nil || !stderr.Contains("no credentials: "+problem) {
			t.Errorf("%v\n%s", err, stderr)
		}
		hidden(t, stdout, stderr)
	})
	for _, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		t.Run("serve until "+signal.String(), func(t *testing.T) {
			address := testutil.FreeAddr(t)
			cmd, stdout, stderr := command(t, "--listen", address, "--set", "credentials.source_profile=default", "--log-level", "debug")
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			testutil.Eventually(t, "the process has failed", func() bool { return stdout.Contains("cannot get credentials") })
			resp, err := http.Get("http://" + address + "/status")
			if err != nil {
				t.Fatal(err)
			}
			_ = resp.Body.Close()
			_ = cmd.Process.Signal(signal)
			if err := cmd.Wait(); err != nil || stderr.String() != "" {
				t.Errorf("%v\n%s", err, stderr)
			}
			if !stdout.Contains("credential_process failed") || !stdout.Contains("msg=stopped") {
				t.Errorf("the log is\n%s", stdout)
			}
			hidden(t, stdout, stderr)
		})
	}
}

package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

const region = "us-west-2"

// skylift is an instance with a port, addresses and a data directory that
// nobody else has. It may run or not.
type skylift struct {
	dir    string // data directory
	listen string // of the APIs and the registry
	lb     string // address of the load balancers
	cidr   string // of the default VPC
	flags  []string
	engine string                                                            // that its tasks run on: containerd or docker
	within []string                                                          // a command that runs the program in another place; none: here
	extra  []string                                                          // environment besides this process's
	dial   func(ctx context.Context, network, addr string) (net.Conn, error) // where the instance is; nil: here

	cmd    *exec.Cmd
	ended  chan struct{} // closed when the process is gone
	logs   string        // file
	docker string        // directory of the docker client's configuration

	api     *http.Transport   // of the SDK's clients
	access  map[string]string // what `skylift env` says
	clients func() *clients
}

// start runs a new instance with these flags besides its own, and waits until
// it is ready. At the end of the test it is purged.
func start(t *testing.T, flags ...string) *skylift {
	t.Helper()
	s := prepare(t, flags...)
	s.serve(t)
	return s
}

// prepare makes an instance that doesn't run yet.
func prepare(t *testing.T, flags ...string) *skylift {
	t.Helper()
	need(t)
	s, err := newSkylift(t.TempDir(), flags...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the end of the log of %s:\n%s", s.listen, s.tail())
		}
		if err := s.purge(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// newSkylift makes an instance in the directory tmp. Who makes it, purges it:
// in a test's Cleanup, or, when tests share it, by later.
func newSkylift(tmp string, flags ...string) (*skylift, error) {
	listen, err := freeListen()
	if err != nil {
		return nil, err
	}
	cidr, err := freeCIDR()
	if err != nil {
		return nil, err
	}
	s := &skylift{
		dir: filepath.Join(tmp, "data"), listen: listen, lb: fmt.Sprintf("127.0.%d.%d", 1+rand.IntN(254), 1+rand.IntN(254)),
		cidr: cidr, flags: flags, engine: *engineFlag, logs: filepath.Join(tmp, "skylift.log"), docker: filepath.Join(tmp, "docker"),
	}
	s.clients = sync.OnceValue(func() *clients { return s.connect() })
	return s, nil
}

// freeListen is an address whose port nobody listens on, below the ports that
// the kernel gives to clients.
func freeListen() (string, error) {
	for range 100 {
		addr := fmt.Sprintf("127.0.0.1:%d", 15000+rand.IntN(17000))
		if ln, err := net.Listen("tcp", addr); err == nil {
			return addr, ln.Close()
		}
	}
	return "", errors.New("no free port")
}

// taken are the ranges that this process has given to instances.
var taken sync.Map

// freeCIDR is a range that nothing on the host uses.
func freeCIDR() (string, error) {
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return "", err
	}
	var used strings.Builder
	for _, a := range addrs {
		fmt.Fprintln(&used, a)
	}
	aliases, _ := filepath.Glob("/sys/class/net/*/ifalias") // other instances
	for _, f := range aliases {
		b, _ := os.ReadFile(f) // it may have gone
		used.Write(b)
	}
	for range 1000 {
		second := 16 + rand.IntN(230)
		if second >= 77 && second <= 79 { // the acceptance scripts', which run beside these tests
			continue
		}
		network := fmt.Sprintf("10.%d.", second)
		if _, again := taken.LoadOrStore(network, true); !again && !strings.Contains(used.String(), network) {
			return network + "0.0/16", nil
		}
	}
	return "", errors.New("no free address range")
}

// args are those of `skylift serve`; flags given to start win over these.
func (s *skylift) args() []string {
	return append([]string{
		"serve", "--data-dir=" + s.dir, "--listen=" + s.listen, "--lb-address=" + s.lb, "--vpc-cidr=" + s.cidr, "--region=" + region, "--engine=" + s.engine,
		"--cpu-overcommit=100", // many tests, few CPUs
	}, s.flags...)
}

// command is the program with args, where the instance runs.
func (s *skylift) command(args ...string) *exec.Cmd {
	line := append(append([]string(nil), s.within...), binary)
	line = append(line, args...)
	cmd := exec.Command(line[0], line[1:]...)
	cmd.Env = append(os.Environ(), s.extra...)
	return cmd
}

// serve starts the program and waits until it is ready.
func (s *skylift) serve(t *testing.T) {
	t.Helper()
	s.launch(t)
	waitFor(t, time.Minute, "Skylift to be ready", func() error {
		select {
		case <-s.ended:
			t.Fatalf("Skylift ended at its start:\n%s", s.tail())
		default:
		}
		return s.probe("/readyz")
	})
	if s.access == nil {
		s.access = s.environment(t)
	}
}

// launch starts the program.
func (s *skylift) launch(t *testing.T) {
	t.Helper()
	log, err := os.OpenFile(s.logs, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	cmd, ended := s.command(s.args()...), make(chan struct{})
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = cmd.Wait() // its state is in cmd
		close(ended)
	}()
	s.cmd, s.ended = cmd, ended
}

// probe says why path of the APIs' port doesn't answer 200.
func (s *skylift) probe(path string) error {
	res, err := s.web(5 * time.Second).Get("http://" + s.listen + path)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		b, _ := io.ReadAll(res.Body)
		return fmt.Errorf("%s: %s %s", path, res.Status, b)
	}
	return nil
}

// environment asks `skylift env`.
func (s *skylift) environment(t *testing.T) map[string]string {
	t.Helper()
	var access map[string]string
	if err := json.Unmarshal([]byte(s.run(t, "env", "--data-dir", s.dir, "--output", "json")), &access); err != nil {
		t.Fatal(err)
	}
	return access
}

// run runs another subcommand of the program and returns what it printed.
func (s *skylift) run(t *testing.T, args ...string) string {
	t.Helper()
	var stderr strings.Builder
	cmd := s.command(args...)
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("skylift %s: %v\n%s%s", strings.Join(args, " "), err, out, stderr.String())
	}
	return string(out)
}

// kill9 ends the process as a crash does.
func (s *skylift) kill9(t *testing.T) {
	t.Helper()
	if err := s.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-s.ended
	s.hangUp()
}

// hangUp closes the SDK's connections to a process that is gone.
func (s *skylift) hangUp() {
	if s.api != nil {
		s.api.CloseIdleConnections()
	}
}

// term ends the process as a service manager does and returns how long it took.
func (s *skylift) term(t *testing.T) time.Duration {
	t.Helper()
	begin := time.Now()
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	select {
	case <-s.ended:
	case <-time.After(time.Minute):
		_ = s.cmd.Process.Kill()
		t.Fatalf("Skylift did not end within a minute of SIGTERM:\n%s", s.tail())
	}
	if code := s.cmd.ProcessState.ExitCode(); code != 0 {
		t.Errorf("Skylift ended with %d after SIGTERM:\n%s", code, s.tail())
	}
	s.hangUp()
	return time.Since(begin)
}

// restart starts the instance again, after it ended.
func (s *skylift) restart(t *testing.T) {
	t.Helper()
	s.serve(t)
}

// runs says that the process is there.
func (s *skylift) runs() bool {
	if s.ended == nil {
		return false
	}
	select {
	case <-s.ended:
		return false
	default:
		return true
	}
}

// id is the instance's id; "" before its first start.
func (s *skylift) id() string {
	var is struct{ ID string }
	b, err := os.ReadFile(filepath.Join(s.dir, "instance.json"))
	if err == nil {
		_ = json.Unmarshal(b, &is)
	}
	return is.ID
}

// tail is the end of the instance's log, without the calls that went well.
func (s *skylift) tail() string {
	b, _ := os.ReadFile(s.logs)
	lines := slices.DeleteFunc(strings.Split(string(b), "\n"), func(l string) bool {
		return strings.Contains(l, " msg=call ") && strings.Contains(l, " code=OK ")
	})
	return strings.Join(lines[max(0, len(lines)-100):], "\n")
}

// env is what the aws CLI and docker need to speak to the instance.
func (s *skylift) env() []string {
	env := append(os.Environ(), s.extra...)
	for k, v := range s.access {
		env = append(env, k+"="+v)
	}
	return append(env, "AWS_PAGER=", "AWS_EC2_METADATA_DISABLED=true", "AWS_MAX_ATTEMPTS=1", "AWS_CONFIG_FILE=/dev/null",
		"AWS_SHARED_CREDENTIALS_FILE=/dev/null", "DOCKER_CONFIG="+s.docker, "DOCKER_BUILDKIT=0")
}

// aws runs the aws CLI and returns what it printed.
func (s *skylift) aws(t *testing.T, args ...string) string {
	t.Helper()
	out, err := s.awsRun(args...)
	if err != nil {
		t.Fatalf("aws %s: %v", strings.Join(args, " "), err)
	}
	return strings.TrimSpace(out)
}

var cliError = regexp.MustCompile(`(?s)An error occurred \(([^)]+)\) when calling the \w+ operation[^:]*: (.*)`)

// awsErr runs an aws command that must fail, and returns how.
func (s *skylift) awsErr(t *testing.T, args ...string) (code, message string) {
	t.Helper()
	out, err := s.awsRun(args...)
	if err == nil {
		t.Fatalf("aws %s succeeded:\n%s", strings.Join(args, " "), out)
	}
	m := cliError.FindStringSubmatch(err.Error())
	if m == nil {
		t.Fatalf("aws %s failed, but not by an answer: %v", strings.Join(args, " "), err)
	}
	return m[1], strings.TrimSpace(m[2])
}

func (s *skylift) awsRun(args ...string) (string, error) {
	out, stderr, err := runAWS(s.env(), args...)
	if err != nil {
		err = fmt.Errorf("%w\n%s%s", err, out, stderr)
	}
	return string(out), err
}

// web is an HTTP client that goes where the instance is.
func (s *skylift) web(timeout time.Duration) *http.Client {
	return &http.Client{Timeout: timeout, Transport: &http.Transport{DisableKeepAlives: true, DialContext: s.dial}}
}

// get asks the load balancers for path of host.
func (s *skylift) get(host, path string) (code int, body string, err error) {
	req, err := http.NewRequest(http.MethodGet, "http://"+s.lb+path, nil)
	if err != nil {
		return 0, "", err
	}
	req.Host = host
	res, err := s.web(15 * time.Second).Do(req)
	if err != nil {
		return 0, "", err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	return res.StatusCode, strings.TrimSpace(string(b)), err
}

// curl is get that can't fail.
func (s *skylift) curl(t *testing.T, host, path string) (code int, body string) {
	t.Helper()
	code, body, err := s.get(host, path)
	if err != nil {
		t.Fatal(err)
	}
	return code, body
}

// answers waits until the site answers want.
func (s *skylift) answers(t *testing.T, host, want string) {
	t.Helper()
	waitFor(t, time.Minute, host+" to answer "+want, func() error {
		code, body, err := s.get(host, "/")
		if err != nil {
			return err
		}
		if code != http.StatusOK || body != want {
			return fmt.Errorf("answered %d %q", code, body)
		}
		return nil
	})
}

// report is what `skylift status` says, as far as tests look at it.
type report struct {
	Account, Region string
	Engine          string
	Capacity        struct {
		Total, Reserved struct{ Memory int }
		Waiting         []struct {
			Service string
			Tasks   int
		}
	}
	Clusters []struct {
		Name     string
		Tasks    int
		Services []struct {
			Name, Status, TaskDefinition, Rollout, LastFailure string
			Desired, Running, Pending                          int
		}
	}
	LoadBalancers []struct {
		Name, DNSName   string
		URLs, HostNames []string
	}
	TargetGroups []struct {
		Name           string
		Healthy, Total int
		Targets        []struct{ Address, State, Reason, Description string }
	}
	Findings []wrong
	Problems []string
}

// wrong is a finding of `skylift why`.
type wrong struct {
	Check, Cause string
	Evidence     []struct{ What, Says string }
	Mend         []struct{ Say, Command string }
}

// wrongs asks `skylift why`, and returns all that it prints with what it found.
func (s *skylift) wrongs(t *testing.T, words ...string) (said string, found []wrong) {
	t.Helper()
	var a struct{ Findings []wrong }
	said = s.run(t, append(append([]string{"why"}, words...), "--data-dir", s.dir, "--output", "json")...)
	if err := json.Unmarshal([]byte(said), &a); err != nil {
		t.Fatal(err)
	}
	return said, a.Findings
}

// types types a command line into a shell, as `skylift why` prints it.
func (s *skylift) types(t *testing.T, command string) {
	t.Helper()
	c := exec.CommandContext(t.Context(), "sh", "-c", command)
	c.Env = s.env()
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", command, err, out)
	}
}

// status asks `skylift status`.
func (s *skylift) status(t *testing.T) (r report) {
	t.Helper()
	if err := json.Unmarshal([]byte(s.run(t, "status", "--data-dir", s.dir, "--output", "json")), &r); err != nil {
		t.Fatal(err)
	}
	return r
}

// waitFor asks again and again until cond has no objection, at most so long.
func waitFor(t *testing.T, within time.Duration, what string, cond func() error) {
	t.Helper()
	begin, tick := time.Now(), time.NewTicker(100*time.Millisecond)
	defer tick.Stop()
	for {
		err := cond()
		if err == nil {
			return
		}
		if time.Since(begin) > within {
			t.Fatalf("waited %v for %s: %v", within, what, err)
		}
		select {
		case <-t.Context().Done():
			t.Fatalf("waiting for %s: %v", what, errors.Join(context.Cause(t.Context()), err))
		case <-tick.C:
		}
	}
}

// must is a call's result; an error ends the test.
func must[T any](v T, err error) func(t *testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

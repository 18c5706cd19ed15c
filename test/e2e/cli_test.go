package e2e

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// cli runs the real aws CLI from a process that has it loaded already (testdata/aws.py): tests run it some thousand
// times, and most of what a run costs is its start.
type cli struct {
	python string
	once   sync.Once
	addr   *net.UnixAddr
	err    error
}

// errExit is what the CLI ended with when it failed.
type errExit int

func (e errExit) Error() string { return "exit status " + strconv.Itoa(int(e)) }

// theCLI is the machine's CLI; nil where it isn't a Python program that can be loaded once.
var theCLI = sync.OnceValue(func() *cli {
	path, err := exec.LookPath("aws")
	if out, err := exec.Command("pyenv", "which", "aws").Output(); err == nil { // what LookPath finds is pyenv's own script then
		path = strings.TrimSpace(string(out))
	}
	if err != nil {
		return nil
	}
	f, err := os.Open(path)
	if err != nil {
		return nil
	}
	defer f.Close()
	first, _ := bufio.NewReader(io.LimitReader(f, 256)).ReadString('\n')
	python, ok := strings.CutPrefix(strings.TrimSpace(first), "#!")
	if !ok || !strings.Contains(filepath.Base(python), "python") || exec.Command(python, "-c", "import awscli.clidriver").Run() != nil {
		return nil
	}
	return &cli{python: python}
})

// runAWS runs the aws CLI with an environment, and returns what it printed.
func runAWS(env []string, args ...string) (stdout, stderr []byte, err error) {
	if c := theCLI(); c != nil {
		return c.run(env, args)
	}
	var out, said bytes.Buffer
	cmd := exec.Command("aws", args...)
	cmd.Env, cmd.Stdout, cmd.Stderr = env, &out, &said
	err = cmd.Run()
	return out.Bytes(), said.Bytes(), err
}

// start starts the process that has the CLI loaded. It ends with this process, however that ends.
func (c *cli) start() {
	dir, err := os.MkdirTemp("", "skylift-cli-")
	if err != nil {
		c.err = err
		return
	}
	c.addr = &net.UnixAddr{Name: filepath.Join(dir, "s"), Net: "unix"}
	cmd := exec.Command(c.python, "testdata/aws.py", c.addr.Name)
	cmd.Stderr = os.Stderr
	in, err1 := cmd.StdinPipe()
	out, err2 := cmd.StdoutPipe()
	if c.err = errors.Join(err1, err2, cmd.Start()); c.err != nil {
		return
	}
	later(func() error { return errors.Join(in.Close(), cmd.Wait(), os.RemoveAll(dir)) })
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "ready\n" {
		c.err = fmt.Errorf("testdata/aws.py says %q: %w", line, err)
	}
}

func (c *cli) run(env, args []string) (stdout, stderr []byte, err error) {
	c.once.Do(c.start)
	if c.err != nil {
		return nil, nil, c.err
	}
	request, err := json.Marshal(map[string]any{"args": args, "env": byName(env)})
	if err != nil {
		return nil, nil, err
	}
	conn, err := net.DialUnix("unix", nil, c.addr)
	if err != nil {
		return nil, nil, err
	}
	defer conn.Close()
	outR, outW, err1 := os.Pipe()
	errR, errW, err2 := os.Pipe()
	if err := errors.Join(err1, err2); err != nil {
		return nil, nil, err
	}
	if _, _, err = conn.WriteMsgUnix([]byte{0}, unix.UnixRights(int(outW.Fd()), int(errW.Fd())), nil); err == nil {
		_, err = conn.Write(append(request, '\n'))
	}
	_, _ = outW.Close(), errW.Close()
	var wg sync.WaitGroup
	wg.Go(func() { stdout, _ = io.ReadAll(outR); _ = outR.Close() })
	wg.Go(func() { stderr, _ = io.ReadAll(errR); _ = errR.Close() })
	wg.Wait()
	if err != nil {
		return stdout, stderr, err
	}
	answer, err := io.ReadAll(conn)
	if err != nil {
		return stdout, stderr, err
	}
	code, err := strconv.Atoi(string(answer))
	if err != nil {
		return stdout, stderr, fmt.Errorf("the CLI ended without an exit code: %w", err)
	}
	if code != 0 {
		return stdout, stderr, errExit(code)
	}
	return stdout, stderr, nil
}

// byName is an environment by name; the last of a name counts.
func byName(env []string) map[string]string {
	out := map[string]string{}
	for _, v := range env {
		name, value, _ := strings.Cut(v, "=")
		out[name] = value
	}
	return out
}

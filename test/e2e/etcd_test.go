package e2e

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ecs"
)

// etcd is a cluster of one outside Skylift.
type etcd struct {
	dir, client, peer string
	cmd               *exec.Cmd
}

func newEtcd(t *testing.T) *etcd {
	t.Helper()
	need(t)
	if _, err := exec.LookPath("etcd"); err != nil {
		lack(t, "no etcd")
	}
	e := &etcd{dir: t.TempDir(), client: "http://" + must(freeListen())(t), peer: "http://" + must(freeListen())(t)}
	t.Cleanup(e.kill9)
	e.start(t)
	return e
}

func (e *etcd) start(t *testing.T) {
	t.Helper()
	e.cmd = exec.Command("etcd", "--name", "e2e", "--data-dir", e.dir, "--listen-client-urls", e.client, "--advertise-client-urls", e.client,
		"--listen-peer-urls", e.peer, "--initial-advertise-peer-urls", e.peer, "--initial-cluster", "e2e="+e.peer)
	if err := e.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	waitFor(t, 30*time.Second, "etcd", func() error {
		res, err := http.Get(e.client + "/health")
		if err != nil {
			return err
		}
		return errors.Join(res.Body.Close(), e.ask("/v3/kv/range", map[string]string{"key": "eA=="}, nil))
	})
}

func (e *etcd) kill9() {
	_ = e.cmd.Process.Kill()
	_ = e.cmd.Wait() // killed
}

// ask calls etcd's API.
func (e *etcd) ask(path string, in, out any) error {
	b, err := json.Marshal(in)
	if err != nil {
		return err
	}
	res, err := http.Post(e.client+path, "application/json", bytes.NewReader(b))
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", path, res.Status)
	}
	if out == nil {
		return nil
	}
	return json.NewDecoder(res.Body).Decode(out)
}

// revoke ends all leases, and with them every leader's term.
func (e *etcd) revoke(t *testing.T) {
	t.Helper()
	var all struct{ Leases []struct{ ID string } }
	if err := e.ask("/v3/lease/leases", struct{}{}, &all); err != nil {
		t.Fatal(err)
	}
	if len(all.Leases) == 0 {
		t.Fatal("nobody holds a lease")
	}
	for _, l := range all.Leases {
		if err := e.ask("/v3/lease/revoke", map[string]string{"ID": l.ID}, nil); err != nil {
			t.Fatal(err)
		}
	}
}

// TestExternalEtcd keeps the records in an etcd outside, which has troubles of
// its own.
func TestExternalEtcd(t *testing.T) {
	t.Parallel()
	e := newEtcd(t)
	s := start(t, "--etcd-endpoints="+e.client)
	s.site(t, "shop", 1)
	tasks := s.tasks(t)
	load := s.load(t, "shop.test")

	load.while(func() {
		s.kill9(t)
		s.restart(t)
	})
	sameTasks(t, tasks, s.tasks(t))
	s.redeploys(t, 2) // which a loop does, once this process leads again

	e.revoke(t)
	s.redeploys(t, 3)

	e.kill9()
	if _, err := s.clients().ecs.ListTasks(t.Context(), &ecs.ListTasksInput{}); err != nil {
		t.Errorf("records can't be read while etcd is away: %v", err)
	}
	if code, message := s.awsErr(t, "ecs", "create-cluster", "--cluster-name", "away"); code != "ServiceUnavailableException" || !strings.Contains(message, "etcd") {
		t.Errorf("while etcd is away: %s: %s", code, message)
	}
	e.start(t)
	waitFor(t, 30*time.Second, "Skylift to write again", func() error {
		_, err := s.clients().ecs.CreateCluster(t.Context(), &ecs.CreateClusterInput{ClusterName: new("back")})
		return err
	})
	s.redeploys(t, 4)
	load.lossless(t)
}

// redeploys has the site take a new version.
func (s *skylift) redeploys(t *testing.T, version int) {
	t.Helper()
	s.redeploy(t, "shop", fmt.Sprint(version))
	s.stable(t, "shop")
	s.answers(t, "shop.test", fmt.Sprintf("site=shop version=%d", version))
}

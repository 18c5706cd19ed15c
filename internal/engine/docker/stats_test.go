package docker

import (
	"errors"
	"os"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/skylift/skylift/internal/engine"
)

func TestStatsCountTheProcessor(t *testing.T) {
	t.Parallel()
	e, h := openEngine(t), dockerHost(t)
	task := appTask(h, "burn", "300")
	if _, err := e.Create(t.Context(), task); err != nil {
		t.Fatal(err)
	}
	if err := e.Start(t.Context(), task.ID, "app"); err != nil {
		t.Fatal(err)
	}
	enough := errors.New("enough")
	if err := e.Logs(t.Context(), task.ID, "app", time.Time{}, true, func(engine.Line) error { return enough }); !errors.Is(err, enough) {
		t.Fatal(err)
	}
	stats, err := e.Stats(t.Context(), task.ID)
	if err != nil || len(stats.Containers) != 1 {
		t.Fatalf("stats %+v, %v", stats, err)
	}
	c := stats.Containers[0]
	if c.CPU.Total < 300*time.Millisecond || c.CPU.Total > time.Minute || c.Name != "app" {
		t.Errorf("CPU %+v, want what it burnt", c.CPU)
	}
}

func TestStatsCountTheNetwork(t *testing.T) {
	t.Parallel()
	e, h := openEngine(t), dockerHost(t)
	if os.Getuid() != 0 {
		t.Skip("needs root")
	}
	task := appTask(h, "run")
	path, err := e.Create(t.Context(), task)
	if err != nil {
		t.Fatal(err)
	}
	netns, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer netns.Close()
	name := "st" + unique()
	pair := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: name}, PeerName: name + "p", PeerNamespace: netlink.NsFd(netns.Fd())}
	if err := netlink.LinkAdd(pair); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = netlink.LinkDel(pair) }) // it ends with the namespace
	stats, err := e.Stats(t.Context(), task.ID)
	if _, ok := stats.Networks[name+"p"]; err != nil || !ok || len(stats.Networks) != 1 {
		t.Errorf("stats %+v, %v, want the interface %sp", stats, err, name)
	}
}

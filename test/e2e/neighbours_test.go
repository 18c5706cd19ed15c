package e2e

import "testing"

// TestNeighbours has two instances side by side with the same names of
// everything: what becomes of one is nothing to the other.
func TestNeighbours(t *testing.T) {
	t.Parallel()
	a, b := start(t), start(t)
	a.site(t, "shop", 2)
	b.site(t, "shop", 1)
	b.redeploy(t, "shop", "2")
	b.stable(t, "shop")
	b.answers(t, "shop.test", "site=shop version=2")
	a.answers(t, "shop.test", "site=shop version=1")
	tasks := a.tasks(t)

	load := a.load(t, "shop.test")
	b.run(t, "down", "--yes", "--data-dir", b.dir)
	b.restart(t)
	b.stable(t, "shop")
	id := b.id()
	b.run(t, "down", "--purge", "--yes", "--data-dir", b.dir)
	if err := b.left(id); err != nil {
		t.Error(err)
	}
	if err := b.removeImages(); err != nil {
		t.Error(err)
	}
	load.lossless(t)
	sameTasks(t, tasks, a.tasks(t))
	a.exactly(t, 2)
}

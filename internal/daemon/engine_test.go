package daemon

import (
	"errors"
	"strings"
	"testing"

	"github.com/skylift/skylift/internal/instance"
)

func TestEngineChosen(t *testing.T) {
	t.Parallel()
	lacks := errors.New("runc not found: apt-get install containerd runc")
	for _, tc := range []struct {
		has   instance.Engine
		asked string
		lacks error
		want  instance.Engine
		err   string
	}{
		{instance.NoEngine, "", nil, instance.Containerd, ""},
		{instance.NoEngine, "", lacks, instance.Docker, ""},
		{instance.NoEngine, "docker", nil, instance.Docker, ""},
		{instance.NoEngine, "containerd", nil, instance.Containerd, ""},
		{instance.NoEngine, "containerd", lacks, "", "apt-get install containerd runc"},

		{instance.Docker, "", nil, instance.Moving, ""},
		{instance.Docker, "", lacks, instance.Docker, ""},
		{instance.Docker, "docker", nil, instance.Docker, ""},
		{instance.Docker, "containerd", nil, instance.Moving, ""},
		{instance.Docker, "containerd", lacks, "", "apt-get install containerd runc"},

		{instance.Moving, "", nil, instance.Moving, ""},
		{instance.Moving, "", lacks, "", "apt-get install containerd runc"},
		{instance.Moving, "docker", nil, "", "this instance's tasks run on containerd"},

		{instance.Containerd, "", nil, instance.Containerd, ""},
		{instance.Containerd, "containerd", nil, instance.Containerd, ""},
		{instance.Containerd, "", lacks, "", "apt-get install containerd runc"},
		{instance.Containerd, "docker", nil, "", "this instance's tasks run on containerd: start with --engine containerd"},
		{instance.Containerd, "docker", lacks, "", "this instance's tasks run on containerd"},
	} {
		got, err := chooseEngine(tc.has, tc.asked, tc.lacks)
		if got != tc.want || (err == nil) != (tc.err == "") || err != nil && !strings.Contains(err.Error(), tc.err) {
			t.Errorf("an instance on %q, asked for %q, lacking %v: got %q, %v; want %q, %q", tc.has, tc.asked, tc.lacks, got, err, tc.want, tc.err)
		}
	}
}

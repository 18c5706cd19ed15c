package ecs_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/skylift/skylift/internal/arn"
	"github.com/skylift/skylift/internal/engine/fake"
	"github.com/skylift/skylift/internal/service/ecs/api"
	"github.com/skylift/skylift/internal/service/ecs/ecstest"
	"github.com/skylift/skylift/internal/wire"
)

// TestWhatIsMissingHidesNoOtherFault registers definitions that lack required members: the answer says so,
// and what is wrong besides.
func TestWhatIsMissingHidesNoOtherFault(t *testing.T) {
	t.Parallel()
	s, err := wire.NewService("ecs", api.New(nil, arn.Namespace{}, nil, nil, nil, nil, nil).Operations()...)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, body string
		words      []string
	}{
		{
			"a condition", `{"family":"f","networkMode":"host","taskRoleArn":"a role","proxyConfiguration":{"containerName":"a"},"containerDefinitions":[
			{"name":"a","image":"i","hostname":"h","dependsOn":[{"containerName":"b"}]},{"name":"b"}]}`,
			[]string{"Value null at 'containerDefinitions.1.member.dependsOn.1.member.condition'", "'proxyConfiguration'", "Role is not valid", "awsvpc", "'cpu'", "hostname of container 'a'", "Container.image", "dependsOn condition ''"},
		},
		{
			"all that there is, at every depth", `{"cpu":"x","ephemeralStorage":{},"runtimePlatform":{},"proxyConfiguration":{},"inferenceAccelerators":[{}],"placementConstraints":[{}],"tags":[{}],
			"volumes":[{"host":{},"dockerVolumeConfiguration":{},"efsVolumeConfiguration":{"authorizationConfig":{}},"fsxWindowsFileServerVolumeConfiguration":{}}],
			"containerDefinitions":[{},{"repositoryCredentials":{},"portMappings":[{}],"restartPolicy":{},"environment":[{}],"environmentFiles":[{}],"mountPoints":[{}],"volumesFrom":[{}],
			"linuxParameters":{"capabilities":{},"devices":[{}],"tmpfs":[{}]},"secrets":[{}],"dependsOn":[{}],"extraHosts":[{}],"logConfiguration":{"secretOptions":[{}]},"healthCheck":{},
			"systemControls":[{}],"resourceRequirements":[{}],"firelensConfiguration":{},"ulimits":[{}]}]}`,
			[]string{"Value null at 'family'", "awsvpc", "Invalid 'cpu'", "Container #1 has none", "Container #2 has none", "command must be"},
		},
		{"the containers", `{"family":"a b"}`, []string{"Value null at 'containerDefinitions'", "Family contains", "cannot be empty"}},
		{"nothing there", `{}`, []string{"Value null at", "can not be blank"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := httptest.NewRequest(http.MethodPost, "/", nil)
			r.Header.Set("X-Amz-Target", "AmazonEC2ContainerServiceV20141113.RegisterTaskDefinition")
			_, err := s.Decode(r, []byte(tt.body))
			wantError(t, err, badCode, "")
			if err == nil {
				return
			}
			rest := err.Error()
			for _, want := range tt.words {
				_, after, found := strings.Cut(rest, want)
				if !found {
					t.Errorf("%q isn't told in its place, of %v", want, err)
					continue
				}
				rest = after
			}
		})
	}
}

// TestEmptyIsUnset sends what tools send that have nothing to say.
func TestEmptyIsUnset(t *testing.T) {
	ecstest.Play(t, fake.Config{}, func(w *ecstest.World) {
		in := ecstest.WebDefinition()
		in.ContainerDefinitions[0].PortMappings = []types.PortMapping{{ContainerPort: aws.Int32(80), ContainerPortRange: aws.String(""), Name: aws.String("")}}
		out, err := w.API.RegisterTaskDefinition(w.T.Context(), in)
		if err != nil {
			w.T.Fatal(err)
		}
		if p := out.TaskDefinition.ContainerDefinitions[0].PortMappings[0]; p.Name != nil || p.ContainerPortRange != nil || aws.ToInt32(p.HostPort) != 80 {
			w.T.Errorf("the port comes back as %+v", p)
		}
		ran, err := w.Launch(func(in *sdk.RunTaskInput) {
			in.Overrides = &types.TaskOverride{Cpu: aws.String(""), Memory: aws.String("")}
		})
		if err != nil {
			w.T.Fatal(err)
		}
		if task := ran.Tasks[0]; *task.Cpu != "256" || *task.Memory != "512" {
			w.T.Errorf("the task has %s CPU and %s memory, want those of its definition", *task.Cpu, *task.Memory)
		}
	})
}

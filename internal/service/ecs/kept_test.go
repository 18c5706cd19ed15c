package ecs_test

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/google/go-cmp/cmp"

	"github.com/skylift/skylift/internal/engine/fake"
	"github.com/skylift/skylift/internal/service/ecs/ecstest"
)

func insights(value string) []types.ClusterSetting {
	return []types.ClusterSetting{{Name: types.ClusterSettingNameContainerInsights, Value: &value}}
}

// TestContainerInsightsAreKept sets them on clusters and for the account, and finds them as they were set.
func TestContainerInsightsAreKept(t *testing.T) {
	ecstest.Play(t, fake.Config{}, func(w *ecstest.World) {
		must := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		_, err := w.API.CreateCluster(w.T.Context(), &sdk.CreateClusterInput{ClusterName: aws.String("a"), Settings: insights("enhanced")})
		must(err)
		got := []string{w.InsightsOf("a")}
		_, err = w.API.UpdateClusterSettings(w.T.Context(), &sdk.UpdateClusterSettingsInput{Cluster: aws.String("a"), Settings: insights("enabled")})
		must(err)
		got = append(got, w.InsightsOf("a"))
		_, err = w.API.UpdateCluster(w.T.Context(), &sdk.UpdateClusterInput{Cluster: aws.String("a")})
		must(err)
		got = append(got, w.InsightsOf("a"))
		_, err = w.API.UpdateCluster(w.T.Context(), &sdk.UpdateClusterInput{Cluster: aws.String("a"), Settings: insights("disabled")})
		must(err)
		got = append(got, w.InsightsOf("a"))
		_, err = w.API.PutAccountSettingDefault(w.T.Context(), &sdk.PutAccountSettingDefaultInput{Name: types.SettingNameContainerInsights, Value: aws.String("enabled")})
		must(err)
		_, err = w.API.CreateCluster(w.T.Context(), &sdk.CreateClusterInput{ClusterName: aws.String("b")})
		must(err)
		got = append(got, w.InsightsOf("b"))
		if d := cmp.Diff([]string{"enhanced", "enabled", "enabled", "disabled", "enabled"}, got); d != "" {
			t.Errorf("(-want +got):\n%s", d)
		}
		_, err = w.API.CreateCluster(w.T.Context(), &sdk.CreateClusterInput{ClusterName: aws.String("b"), Settings: insights("disabled")})
		wantError(t, err, badCode, "inconsistent")
	})
}

// TestExecuteCommandIsKept finds what was said of it on services and their tasks, and on tasks of their own.
func TestExecuteCommandIsKept(t *testing.T) {
	ecstest.Play(t, fake.Config{}, func(w *ecstest.World) {
		w.Define(func(in *sdk.RegisterTaskDefinitionInput) { in.EnableFaultInjection = aws.Bool(true) })
		d, err := w.API.DescribeTaskDefinition(w.T.Context(), &sdk.DescribeTaskDefinitionInput{TaskDefinition: aws.String("web")})
		if err != nil || !aws.ToBool(d.TaskDefinition.EnableFaultInjection) {
			t.Errorf("fault injection: %+v, %v", d, err)
		}
		w.Service(1, func(in *sdk.CreateServiceInput) { in.EnableExecuteCommand = true })
		w.After(ecstest.Sec(30))
		if !w.Describe().EnableExecuteCommand {
			t.Error("the service was not described as it was made")
		}
		if tasks := w.Tasks(types.DesiredStatusRunning); len(tasks) != 1 || !tasks[0].EnableExecuteCommand {
			t.Errorf("tasks %+v, want one that is as the service says", tasks)
		}
		if _, err := w.API.UpdateService(w.T.Context(), &sdk.UpdateServiceInput{Service: aws.String("web"), EnableExecuteCommand: aws.Bool(false)}); err != nil {
			t.Fatal(err)
		}
		if w.Describe().EnableExecuteCommand {
			t.Error("the update was not kept")
		}
		out, err := w.Launch(func(in *sdk.RunTaskInput) { in.EnableExecuteCommand = true })
		if err != nil || !out.Tasks[0].EnableExecuteCommand {
			t.Errorf("RunTask: %+v, %v", out, err)
		}
	})
}

// TestWhatIsKeptIsNoted decodes wishes that have no effect, among others that have.
func TestWhatIsKeptIsNoted(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		in   any
		want []string
	}{
		{&sdk.CreateClusterInput{Settings: insights("disabled")}, nil},
		{&sdk.CreateClusterInput{Settings: insights("enabled")}, []string{"settings.value"}},
		{&sdk.UpdateServiceInput{Service: aws.String("web"), EnableExecuteCommand: aws.Bool(false)}, nil},
		{&sdk.UpdateServiceInput{Service: aws.String("web"), EnableExecuteCommand: aws.Bool(true)}, []string{"enableExecuteCommand"}},
	} {
		s, err := ecstest.Declared()
		if err != nil {
			t.Fatal(err)
		}
		call, err := s.Decode(t, tt.in)
		if err != nil {
			t.Errorf("%T: %v", tt.in, err)
			continue
		}
		if d := cmp.Diff(tt.want, call.Kept); d != "" {
			t.Errorf("%T: kept (-want +got):\n%s", tt.in, d)
		}
	}
}

package app

import "testing"

func TestGarbageIsCollectedLaterWhereThatCostsMuch(t *testing.T) {
	for name, tc := range map[string]struct {
		percent int
		share   float64 // of the CPU time that collecting took, in each of ten looks
		cores   float64
		want    int
	}{
		"messages leave little":        {leastGarbage, 0.02, 1, leastGarbage},
		"much is left":                 {leastGarbage, 0.2, 1, mostGarbage},
		"much was left":                {mostGarbage, 0.01, 1, leastGarbage},
		"as much is left as there may": {50, 0.03, 1, 50},
		"nothing happens":              {50, 0.5, 0.01, 50},
	} {
		t.Run(name, func(t *testing.T) {
			g := garbage{percent: tc.percent}
			for i := range 10 {
				all := float64(i+1) * tc.cores * garbageLook.Seconds()
				g.look(tc.share*all, all)
			}
			if g.percent != tc.want {
				t.Errorf("there may be %d %%, want %d", g.percent, tc.want)
			}
		})
	}
}

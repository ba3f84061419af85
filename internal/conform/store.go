// Package conform holds one suite for each interface that has several implementations,
// so that they can't drift apart. It is for tests only.
package conform

import (
	"slices"
	"testing"
	"time"

	"fairlead.dev/fairlead"
)

// Now is the clock with which a store under test is opened. It stands.
func Now() time.Time { return time.Date(2026, 7, 3, 12, 0, 0, 123456000, time.UTC) }

// Store holds a store to what [fairlead.Store] says. open gives an empty one, whose
// clock is [Now], and sees that it is closed.
func Store(t *testing.T, open func(t *testing.T) fairlead.Store) {
	t.Helper()
	for _, c := range slices.Concat(storeTests(), storeRaces()) {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.test(t, house{open(t)})
		})
	}
	t.Run("Queue", func(t *testing.T) {
		t.Parallel()
		testQueueModel(t, house{open(t)})
	})
}

// storeTest is one thing to which stores are held.
type storeTest struct {
	name string
	test func(t tester, h house)
}

func storeTests() []storeTest {
	return []storeTest{
		{"Organizations", testOrganizations},
		{"Names", testNames},
		{"Users", testUsers},
		{"Members", testMembers},
		{"LastAdministrator", testLastAdministrator},
		{"Tokens", testTokens},
		{"TokenScopes", testTokenScopes},
		{"TokenSweep", testTokenSweep},
		{"Links", testLinks},
		{"Projects", testProjects},
		{"ProjectConflicts", testProjectConflicts},
		{"RemoveProject", testRemoveProject},
		{"Connectors", testConnectors},
		{"ConnectorVersions", testConnectorVersions},
		{"SealedFields", testSealedFields},
		{"ClaimRenewal", testClaimRenewal},
		{"RemoveConnector", testRemoveConnector},
		{"Rotate", testRotate},
		{"Health", testHealth},
		{"Trials", testTrials},
		{"Uses", testUses},
		{"HoldEntry", testHoldEntry},
		{"Webhooks", testWebhooks},
		{"Deliveries", testDeliveries},
		{"Registries", testRegistries},
		{"RegistryConflicts", testRegistryConflicts},
		{"Stacks", testStacks},
		{"StackConflicts", testStackConflicts},
		{"ProjectStacks", testProjectStacks},
		{"ForeignOrganization", testForeignOrganization},
		{"Workers", testWorkers},
		{"Keys", testKeys},
		{"HouseSecrets", testHouseSecrets},
		{"Origins", testOrigins},
		{"Tally", testTally},
		{"Duties", testDuties},
		{"Deposits", testDeposits},
		{"Revision", testRevision},
		{"RevisionOfPulses", testRevisionOfPulses},
		{"Events", testEvents},
		{"EventPages", testEventPages},
		{"EventTimes", testEventTimes},
		{"Runs", testRuns},
		{"RunText", testRunText},
		{"RunPages", testRunPages},
		{"UpdateRun", testUpdateRun},
		{"Diagnosis", testDiagnosis},
		{"Lookouts", testLookouts},
		{"Outputs", testOutputs},
		{"Claims", testClaims},
		{"ClaimOrder", testClaimOrder},
		{"ClaimLanes", testClaimLanes},
		{"Renew", testRenew},
		{"LoseRun", testLoseRun},
		{"Log", testLog},
		{"LogConflicts", testLogConflicts},
		{"LogAnywhere", testLogAnywhere},
		{"Write", testWrite},
		{"WriteReads", testWriteReads},
		{"WriteRefused", testWriteRefused},
		{"Cancelled", testCancelled},
	}
}

// storeRaces are what several do at once.
func storeRaces() []storeTest {
	return []storeTest{
		{"RaceEntry", testRaceEntry},
		{"RaceClaims", testRaceClaims},
		{"RaceHold", testRaceHold},
		{"RaceLink", testRaceLink},
		{"RaceAdministrators", testRaceAdministrators},
		{"RaceNumbers", testRaceNumbers},
		{"RaceNames", testRaceNames},
		{"RaceVersions", testRaceVersions},
		{"RaceLog", testRaceLog},
		{"RaceMoves", testRaceMoves},
		{"RaceKeys", testRaceKeys},
		{"RaceOrigins", testRaceOrigins},
		{"RaceDuties", testRaceDuties},
		{"RaceRemove", testRaceRemove},
		{"RaceLock", testRaceLock},
	}
}

// .NET calls this before the engine's own Main, so that the types are there for the first line of
// any script while the engine's arguments stay untouched.
using System;

internal class StartupHook
{
    public static void Initialize()
    {
        // Programs that a script starts are nobody's business.
        Environment.SetEnvironmentVariable("DOTNET_STARTUP_HOOKS", null);
    }
}

// .NET calls this before the engine's own Main, so that the types are there for the first line of
// any script while the engine's arguments stay untouched.
using System;
using System.Reflection;

internal class StartupHook
{
    public static void Initialize()
    {
        // Programs that a script starts are nobody's business.
        Environment.SetEnvironmentVariable("DOTNET_STARTUP_HOOKS", null);
        AppDomain.CurrentDomain.AssemblyResolve += Resolve;
    }

    // Scripts also name an assembly with its version and key, and WSUS has our types in two.
    static Assembly Resolve(object sender, ResolveEventArgs request)
    {
        string name = new AssemblyName(request.Name).Name;
        bool isOurs = name == "Microsoft.UpdateServices.Administration"
            || name == "Microsoft.UpdateServices.BaseApi";
        return isOurs ? typeof(StartupHook).Assembly : null;
    }
}
